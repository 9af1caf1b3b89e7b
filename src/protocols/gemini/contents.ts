/** The conversation as turns of user and model, and the instruction that stands before them. */
import type { Block, ChatRequest, Message, ToolCallBlock } from '../../core/chat.ts';
import { textOf } from '../../core/chat.ts';
import { customInput } from '../reshape/custom-tools.ts';
import { audioPart, filePart, imagePart } from './media.ts';
import type { MediaPlace } from './media.ts';
import type { Content, Part } from './parts.ts';
import { recall } from './state.ts';
import type { Signer } from './state.ts';

export interface ContentOptions extends MediaPlace {
  readonly signer: Signer;
  /** Calls and their results go out with ids. */
  readonly callIds: boolean;
  /** The model refuses calls of earlier turns without a signature. */
  readonly signed: boolean;
  /** There is a place for instructions; else they open the first turn. */
  readonly systemInstruction: boolean;
}

export interface Conversation {
  readonly systemInstruction?: { readonly parts: readonly Part[] };
  readonly contents: readonly Content[];
}

/**
 * What the documentation gives for calls that were made elsewhere and so have no signature: it switches the check off.
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
const NO_SIGNATURE = 'skip_thought_signature_validator';

/** Stands where something must be said and nothing was: parts without text are refused. */
const NOTHING: Part = { text: ' ' };

interface Turns {
  add(role: Content['role'], parts: readonly Part[]): void;
  readonly all: { role: Content['role']; parts: Part[] }[];
}

/** Turns in which neighbours of the same role are one. */
function createTurns(): Turns {
  const all: Turns['all'] = [];
  return {
    all,
    add(role, parts) {
      if (parts.length === 0) return;
      const last = all.at(-1);
      if (last?.role === role) last.parts.push(...parts);
      else all.push({ role, parts: [...parts] });
    },
  };
}

/**
 * Leading system and developer messages are the instruction; later ones are said by the user, in their place. Results
 * come in the order of their calls, because models without ids match them by it. Throws where a part has no form.
 */
export function conversationOf({ messages }: ChatRequest, options: ContentOptions): Conversation {
  const first = messages.findIndex(({ role }) => !isInstruction(role));
  const from = first < 0 ? messages.length : first;
  const instruction = messages.slice(0, from).flatMap(({ blocks }) => textParts(blocks));
  const turns = createTurns();
  let calls: readonly string[] = [];
  for (let at = from; at < messages.length; at++) {
    const message = messages[at] as Message;
    if (message.role === 'tool') {
      const end = endOfResults(messages, at);
      turns.add('user', results(messages.slice(at, end), { calls, callIds: options.callIds }));
      at = end - 1;
    } else if (message.role === 'assistant') {
      calls = message.blocks.flatMap((block) => (block.type === 'tool_call' ? [block.id] : []));
      turns.add('model', modelParts(message.blocks, options));
    } else if (isInstruction(message.role)) {
      turns.add('user', textParts(message.blocks));
    } else {
      const parts = message.blocks.flatMap((block) => givenParts(block, options));
      turns.add('user', parts.length > 0 ? parts : [NOTHING]);
    }
  }
  return arranged(instruction, turns.all, options);
}

const isInstruction = (role: Message['role']): boolean => role === 'system' || role === 'developer';

function arranged(instruction: readonly Part[], turns: Turns['all'], { systemInstruction }: ContentOptions): Conversation {
  // a conversation of instructions only is said by the user, one that the model opens is opened by the user's silence
  const contents = turns[0]?.role === 'user' ? turns : [{ role: 'user' as const, parts: [] as Part[] }, ...turns];
  const [opening] = contents;
  const inside = !systemInstruction || turns.length === 0;
  if (opening && inside) opening.parts.unshift(...instruction);
  if (opening?.parts.length === 0) opening.parts.push(NOTHING);
  return { ...(inside || instruction.length === 0 ? {} : { systemInstruction: { parts: instruction } }), contents };
}

function textParts(blocks: readonly Block[]): Part[] {
  return blocks.flatMap((block) => (block.type === 'text' && block.text !== '' ? [{ text: block.text }] : []));
}

/** What a user gives. */
function givenParts(block: Block, place: MediaPlace): Part[] {
  switch (block.type) {
    case 'text':
    case 'refusal':
      return block.text === '' ? [] : [{ text: block.text }];
    case 'image':
      return [imagePart(block, place)];
    case 'audio':
      return [audioPart(block)];
    case 'file':
      return [filePart(block, place)];
    case 'speech':
      return block.transcript === '' ? [] : [{ text: block.transcript }];
    case 'reasoning':
    case 'tool_call':
    case 'opaque':
      return [];
  }
}

function modelParts(blocks: readonly Block[], options: ContentOptions): Part[] {
  const parts = blocks.flatMap((block) => saidParts(block, options));
  if (!options.signed) return parts;
  // of parallel calls the first is signed, and the first is checked
  const unsigned = parts.find(({ functionCall }) => functionCall);
  if (!unsigned || parts.some(({ functionCall, thoughtSignature }) => functionCall && thoughtSignature)) return parts;
  return parts.map((part) => (part === unsigned ? { ...part, thoughtSignature: NO_SIGNATURE } : part));
}

function saidParts(block: Block, options: ContentOptions): Part[] {
  const { signature, text, part } = recall('state' in block ? block.state : undefined, options.signer);
  const thoughtSignature = signature === undefined ? {} : { thoughtSignature: signature };
  switch (block.type) {
    case 'text':
      return block.text === '' && signature === undefined ? [] : [{ text: block.text, ...thoughtSignature }];
    case 'reasoning':
      // thoughts without a signature are for people
      return signature === undefined ? [] : [{ text: text ?? '', thought: true, ...thoughtSignature }];
    case 'tool_call': {
      const id = options.callIds ? { id: block.id } : {};
      return [{ functionCall: { ...id, name: block.name, args: argsOf(block) }, ...thoughtSignature }];
    }
    case 'opaque':
      return part ? [part] : [];
    default:
      return givenParts(block, options);
  }
}

/** Arguments are always an object here; text that is no JSON object becomes the value of `input`. */
function argsOf({ kind, input }: ToolCallBlock): Readonly<Record<string, unknown>> {
  if (kind === 'custom') return asObject(customInput(input)) ?? {};
  return input.trim() === '' ? {} : (asObject(input) ?? { input });
}

function asObject(json: string): Readonly<Record<string, unknown>> | undefined {
  const value = parsed(json);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
}

/** Undefined where it is no JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function endOfResults(messages: readonly Message[], from: number): number {
  let end = from;
  while (messages[end]?.role === 'tool') end++;
  return end;
}

function results(
  messages: readonly Message[],
  { calls, callIds }: { readonly calls: readonly string[]; readonly callIds: boolean },
): Part[] {
  const place = ({ toolCallId }: Message): number => {
    const at = calls.indexOf(toolCallId ?? '');
    return at < 0 ? calls.length : at;
  };
  return messages
    .toSorted((a, b) => place(a) - place(b))
    .map(({ toolCallId, toolName = '', blocks }) => {
      const id = callIds && toolCallId !== undefined ? { id: toolCallId } : {};
      return { functionResponse: { ...id, name: toolName, response: responseOf(textOf(blocks)) } };
    });
}

/** Digits that a double does not hold. */
const LONG_NUMBER = /\d{16}/;

/**
 * A JSON object is the response; anything else is its `output`, as the API says it. So is an object with numbers too
 * long for JSON.parse to keep.
 */
function responseOf(result: string): Readonly<Record<string, unknown>> {
  if (LONG_NUMBER.test(result)) return { output: result };
  const value = parsed(result);
  if (typeof value !== 'object' || value === null) return { output: result };
  return Array.isArray(value) ? { output: value } : (value as Readonly<Record<string, unknown>>);
}
