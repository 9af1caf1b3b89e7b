/** A conversation in the shape that a chat template takes: roles it knows, contents as plain strings, nothing lost. */
import { assertNever } from '../../../core/event.ts';
import type { ChatRequest, Message, ToolCallBlock } from '../../../core/chat.ts';
import { GatewayError } from '../../../core/error.ts';
import type { Family } from './families.ts';

/** One turn, its text joined. */
export interface Turn {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly text: string;
  readonly reasoning?: string;
  readonly calls?: readonly ToolCallBlock[];
  readonly name?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
  /** Index of the message in the request. */
  readonly index: number;
}

export type TemplateMessage = Readonly<Record<string, unknown>>;

/** The request's messages as turns. Throws `unsupported_value` for a part that is no text. */
export function turnsOf(request: ChatRequest): readonly Turn[] {
  return request.messages.map((message, index) => {
    const calls = message.blocks.filter((block) => block.type === 'tool_call');
    const reasoning = message.blocks.map((block) => (block.type === 'reasoning' ? block.text : '')).join('');
    return {
      role: message.role === 'developer' ? 'system' : message.role,
      text: plainText(message, request.model),
      index,
      ...(reasoning === '' ? {} : { reasoning }),
      ...(calls.length === 0 ? {} : { calls }),
      ...(message.name === undefined ? {} : { name: message.name }),
      ...(message.toolCallId === undefined ? {} : { toolCallId: message.toolCallId }),
      ...(message.toolName === undefined ? {} : { toolName: message.toolName }),
    };
  });
}

function plainText(message: Message, model: string): string {
  const texts = message.blocks.map((block) => {
    switch (block.type) {
      case 'text':
      case 'refusal':
        return block.text;
      case 'reasoning':
      case 'tool_call':
      case 'speech':
      case 'opaque':
        return '';
      case 'image':
      case 'audio':
      case 'file':
        throw new GatewayError('unsupported_value', `The model "${model}" takes text only, and ${block.at} is ${NOUN[block.type]}.`, {
          param: block.at,
        });
      default:
        return assertNever(block);
    }
  });
  return texts.join('');
}

const NOUN = { image: 'an image', audio: 'audio', file: 'a file' } as const;

/** What a template can do with roles, found in its text. */
export interface RoleRules {
  readonly system: boolean;
  /** Later system messages are rendered where they stand. */
  readonly laterSystem: boolean;
  /** Roles that do not alternate are an error. */
  readonly alternate: boolean;
}

export function roleRules(template: string): RoleRules {
  const printsRole = /(?:\+|~|\{\{-?)\s*message(?:\.role|\[['"]role['"]\])/.test(template);
  const refusesSystem = /system (?:role|messages?|prompts?) (?:is |are )?not supported/i.test(template);
  // a loop over the other roles alone loses what the system says later
  const skipsSystem = /\bmessage(?:\.role|\[['"]role['"]\])\s*!=\s*['"]system['"]/.test(template);
  const alternate = /alternat/i.test(template);
  return {
    system: !refusesSystem && (printsRole || /['"]system['"]/.test(template)),
    laterSystem: printsRole && !skipsSystem && !alternate && !/system message must be (?:at the beginning|(?:the )?first)/i.test(template),
    alternate,
  };
}

/** Turns as the template's rules on roles demand them; `preamble` joins the system text at the head. */
export function arrange(turns: readonly Turn[], rules: RoleRules, preamble: string): readonly Turn[] {
  const firstOther = turns.findIndex((turn) => turn.role !== 'system');
  const headEnd = firstOther < 0 ? turns.length : firstOther;
  const toHead = turns.filter((turn, place) => turn.role === 'system' && (place < headEnd || !rules.laterSystem || !rules.system));
  const others = turns.filter((turn) => !toHead.includes(turn));
  const head = [...toHead.map((turn) => turn.text), preamble].filter((text) => text !== '').join('\n\n');
  const alternating = rules.alternate ? mergeNeighbours(others) : others;
  const spoken = startingWithUser(alternating, rules);
  if (toHead.length === 0 && preamble === '') return spoken;
  if (rules.system) return [system(head), ...spoken];
  if (head === '') return spoken;
  const [first, ...rest] = startingWithUser(alternating, { alternate: true });
  return first
    ? [{ ...first, text: [head, first.text].filter((text) => text !== '').join('\n\n') }, ...rest]
    : [{ ...system(head), role: 'user' }];
}

const system = (text: string): Turn => ({ role: 'system', text, index: 0 });

/** Where turns must alternate, an assistant cannot speak first: an empty turn of the user's goes before it. */
function startingWithUser(turns: readonly Turn[], { alternate }: Pick<RoleRules, 'alternate'>): readonly Turn[] {
  if (!alternate || turns[0]?.role === 'user') return turns;
  return [{ role: 'user', text: '', index: 0 }, ...turns];
}

/** Neighbouring plain turns of one role as one. Calls and their results are never merged. */
function mergeNeighbours(turns: readonly Turn[]): readonly Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    const plain = turn.role !== 'tool' && !turn.calls && last?.role === turn.role && !last.calls;
    if (last && plain) merged[merged.length - 1] = { ...last, text: `${last.text}\n\n${turn.text}` };
    else merged.push(turn);
  }
  return merged;
}

/** Every call in a turn of its own, followed by its result. */
export function oneCallPerTurn(turns: readonly Turn[]): readonly Turn[] {
  const moved = new Set<Turn>();
  const result: Turn[] = [];
  for (const turn of turns) {
    if (moved.has(turn)) continue;
    if (!turn.calls || turn.calls.length < 2) {
      result.push(turn);
      continue;
    }
    for (const [place, call] of turn.calls.entries()) {
      result.push(place === 0 ? { ...turn, calls: [call] } : { role: turn.role, index: turn.index, text: '', calls: [call] });
      const answer = turns.find((one) => one.role === 'tool' && one.toolCallId === call.id && one.index > turn.index && !moved.has(one));
      if (!answer) continue;
      moved.add(answer);
      result.push(answer);
    }
  }
  return result;
}

/** What the template's text says of how it takes calls. */
export interface NativeShape {
  readonly family: Family;
  readonly template: string;
  readonly ignored: (path: string) => void;
}

/** Turns as messages for a template that knows tools. */
export function nativeMessages(turns: readonly Turn[], shape: NativeShape): readonly TemplateMessage[] {
  const { family, template, ignored } = shape;
  const prepared = family.oneCallPerTurn ? oneCallPerTurn(turns) : turns;
  const args = argumentsAsText(template);
  const keepsReasoning = /\breasoning_content\b/.test(template);
  const keepsThinking = family.id === 'harmony';
  return prepared.flatMap((turn): TemplateMessage[] => {
    const name = nameOf(turn, template, ignored);
    if (turn.role === 'tool') {
      const id = turn.toolCallId ?? '';
      const toolName = turn.toolName === undefined ? {} : { name: turn.toolName };
      return [{ role: 'tool', content: turn.text, tool_call_id: family.shortIds ? shortId(id) : id, ...toolName }];
    }
    const reasoning =
      turn.reasoning === undefined
        ? {}
        : keepsReasoning
          ? { reasoning_content: turn.reasoning }
          : keepsThinking
            ? thinking(turn)
            : undefined;
    if (reasoning === undefined) ignored(`messages[${turn.index}].reasoning_content`);
    const plain = { role: turn.role, content: turn.text, ...name, ...reasoning };
    if (!turn.calls) return [plain];
    const calls = turn.calls.map((call) => ({
      id: family.shortIds ? shortId(call.id) : call.id,
      type: 'function',
      function: { name: call.name, arguments: args ? argumentText(call) : argumentObject(call) },
    }));
    if (turn.text === '' || !family.textBesideCalls) return [{ ...plain, ...besideCalls(turn, family), tool_calls: calls }];
    if (family.textBesideCalls === 'own turn') return [plain, { ...plain, content: '', tool_calls: calls }];
    ignored(`messages[${turn.index}].content`);
    return [{ ...plain, tool_calls: calls }];
  });
}

const thinking = (turn: Turn): TemplateMessage => ({ thinking: turn.reasoning });

/** gpt-oss's template renders one text before a call, as analysis, and refuses two. */
function besideCalls(turn: Turn, family: Family): TemplateMessage {
  if (family.id !== 'harmony' || turn.reasoning === undefined || turn.text === '') return {};
  return { content: `${turn.reasoning}\n\n${turn.text}`, thinking: '' };
}

export function nameOf(turn: Turn, template: string, ignored: (path: string) => void): TemplateMessage {
  if (turn.name === undefined || turn.role === 'tool') return {};
  if (/\bmessage(?:\.name|\[['"]name['"]\])/.test(template)) return { name: turn.name };
  ignored(`messages[${turn.index}].name`);
  return {};
}

/** Most templates turn arguments into JSON themselves; some join the text they are given. */
function argumentsAsText(template: string): boolean {
  if (/arguments(?:['"]\])?\s*\|\s*(?:tojson|items|string)/.test(template)) return false;
  const place = String.raw`\w+(?:\.function|\[['"]function['"]\])?(?:\.arguments|\[['"]arguments['"]\])`;
  return new RegExp(`[+~]\\s*${place}|${place}\\s*[+~]`).test(template);
}

export function argumentText(call: ToolCallBlock): string {
  return call.kind === 'custom' ? JSON.stringify({ input: call.input }) : call.input === '' ? '{}' : call.input;
}

/** A call's arguments as an object; what is none, a client's own invention, goes under the key `input`. */
export function argumentObject(call: ToolCallBlock): Readonly<Record<string, unknown>> {
  if (call.kind === 'custom') return { input: call.input };
  try {
    const value: unknown = JSON.parse(call.input === '' ? '{}' : call.input);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    return { input: value };
  } catch {
    return { input: call.input };
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** An id of nine letters and digits for any id, always the same one (FNV-1a, twice); an id that is one stays. */
export function shortId(id: string): string {
  if (/^[A-Za-z0-9]{9}$/.test(id)) return id;
  const hash = (seed: number): number => {
    let value = seed;
    for (let index = 0; index < id.length; index++) value = Math.imul(value ^ id.charCodeAt(index), 0x01000193) >>> 0;
    return value;
  };
  let rest = BigInt(hash(0x811c9dc5)) * 0x1_0000_0000n + BigInt(hash(0x5bd1e995));
  let short = '';
  for (let place = 0; place < 9; place++) {
    short += ALPHABET.charAt(Number(rest % 62n));
    rest /= 62n;
  }
  return short;
}
