/** A conversation as the Messages API has it: instructions apart, and turns of user and assistant that alternate. */
import type { Block, ChatRequest, Json, Message, ProviderState, ToolCallBlock } from '../../core/chat.ts';
import { fields, text } from '../json.ts';
import { customInput } from '../reshape/custom-tools.ts';
import { PAUSE } from './answer.ts';
import type { Draft } from './cache.ts';
import { contentDrafts, saysSomething } from './content.ts';
import type { Notes } from './content.ts';
import type { Settled } from './quirks.ts';

export interface Turn {
  readonly role: 'user' | 'assistant' | 'system';
  readonly drafts: Draft[];
}

export interface Conversation {
  readonly system: readonly Draft[];
  readonly turns: readonly Turn[];
  /** Names of the tools that earlier turns called. */
  readonly called: ReadonlySet<string>;
  /** A container of the provider's that the last turn of the assistant left running. */
  readonly container: string | undefined;
  /** The provider paused the last turn, which is the assistant's: it goes on as it stands. */
  readonly paused: boolean;
}

export interface Telling {
  readonly provider: string;
  readonly quirks: Settled;
  /** The model takes instructions between turns. */
  readonly systemTurns: boolean;
  readonly notes: Notes;
}

export const THOUGHTS: ReadonlySet<unknown> = new Set(['thinking', 'redacted_thinking']);

/** Stands for a turn that says nothing, which the API refuses. */
const NOTHING_SAID = '(no content)';

/** Joins neighbours of one role, and sees to it that no turn is empty and that a user begins. */
export function converse(request: ChatRequest, telling: Telling): Conversation {
  const writer = createWriter(telling);
  for (const [index, message] of request.messages.entries()) {
    if (message.name !== undefined && message.role !== 'tool') telling.notes.ignored.push(`messages[${index}].name`);
    writer.add(message);
  }
  return writer.done();
}

function createWriter({ provider, quirks, systemTurns, notes }: Telling) {
  const system: Draft[] = [];
  const turns: Turn[] = [];
  const called = new Set<string>();
  const ids = createIds();
  let container: string | undefined;
  let paused = false;

  return { add, done };

  function add(message: Message): void {
    const { role } = message;
    paused = false;
    if (role === 'assistant') return addAssistant(message.blocks);
    const drafts = contentDrafts(message.blocks, quirks, notes);
    if (role === 'tool') return void turnOf('user').push(toolResult(message, drafts, ids));
    if (role === 'user') return void turnOf('user').push(...drafts);
    if (turns.length === 0) return void system.push(...drafts);
    if (systemTurns) return addSystemTurn(drafts);
    turnOf('user').push(...drafts.map(asInstruction));
  }

  /** The drafts of the turn that is being written: the last one, where the role fits. */
  function turnOf(role: 'user' | 'assistant'): Draft[] {
    const last = turns.at(-1);
    if (last?.role === role) return last.drafts;
    // instructions stand behind what the user says: the API wants the assistant to answer next
    const before = turns.at(-2);
    if (role === 'user' && last?.role === 'system' && before?.role === 'user') return before.drafts;
    const turn: Turn = { role, drafts: [] };
    if (role === 'user' && last?.role === 'system') turns.splice(-1, 0, turn);
    else turns.push(turn);
    return turn.drafts;
  }

  function addSystemTurn(drafts: readonly Draft[]): void {
    const last = turns.at(-1);
    if (last?.role === 'system') last.drafts.push(...drafts);
    else if (drafts.length > 0) turns.push({ role: 'system', drafts: [...drafts] });
  }

  function addAssistant(blocks: readonly Block[]): void {
    const drafts: Draft[] = [];
    container = undefined;
    ids.newTurn();
    for (const block of blocks) {
      const state = ownState(block, provider);
      const left = state === undefined ? undefined : containerOf(state);
      paused = fields(state).type === PAUSE;
      if (left !== undefined) container = left;
      else if (!paused) drafts.push(...spoken(block, state));
    }
    if (drafts.length > 0) turnOf('assistant').push(...drafts);
  }

  function spoken(block: Block, state: Json | undefined): Draft[] {
    switch (block.type) {
      case 'text': {
        if (!saysSomething(block.text)) return [];
        const kept = fields(state);
        const part = kept.text === block.text ? kept : { type: 'text', text: block.text };
        return [{ part, cache: block.cache }];
      }
      case 'reasoning':
        if (state !== undefined) return [{ part: fields(state) }];
        return quirks.unsignedThinking && block.text !== '' ? [{ part: { type: 'thinking', thinking: block.text, signature: '' } }] : [];
      case 'opaque':
        return state === undefined ? [] : [{ part: fields(state) }];
      case 'tool_call': {
        const name = safe(block.name).slice(0, 128);
        called.add(name);
        const caller = fields(state).caller;
        const part = { type: 'tool_use', id: ids.call(block.id), name, input: inputOf(block) };
        return [{ part: caller === undefined ? part : { ...part, caller } }];
      }
      case 'speech':
        return saysSomething(block.transcript) ? [{ part: { type: 'text', text: block.transcript } }] : [];
      default:
        return contentDrafts([block], quirks, notes);
    }
  }

  function done(): Conversation {
    // instructions alone are what is to be answered
    if (turns.length === 0) turns.push({ role: 'user', drafts: system.splice(0) });
    if (turns[0]?.role === 'assistant') turns.unshift({ role: 'user', drafts: [] });
    const settled = withoutDangling(turns.flatMap((turn, at) => settleSystem(turn, turns[at - 1])));
    for (const turn of settled) if (turn.drafts.length === 0) turn.drafts.push({ part: { type: 'text', text: NOTHING_SAID } });
    const last = settled.at(-1);
    const running = last?.role === 'assistant' || answersCalls(last);
    const rests = last?.role === 'assistant' && (paused || endsInRun(last));
    return { system, turns: settled, called, container: running ? container : undefined, paused: rests };
  }
}

/** Instructions without a user's turn before them become one. */
function settleSystem(turn: Turn, before: Turn | undefined): Turn[] {
  if (turn.role !== 'system' || before?.role === 'user') return [turn];
  return [{ role: 'user', drafts: turn.drafts.map(asInstruction) }];
}

function asInstruction({ part, cache }: Draft): Draft {
  return { part: { ...part, text: `<system_message>\n${String(part.text)}\n</system_message>` }, cache };
}

/** The state of a block, where this provider made it. */
function ownState(block: Block, provider: string): Json | undefined {
  const state: ProviderState | undefined = 'state' in block ? block.state : undefined;
  return state?.owner === provider ? state.data : undefined;
}

/** A container is told beside the content of an answer; it is kept as a block of this form. */
function containerOf(state: Json): string | undefined {
  const { type, id } = fields(state);
  return type === 'container' ? text(id) : undefined;
}

/** Whether a turn brings results of tools that the client runs. */
export const answersCalls = (turn: Turn | undefined): boolean => turn?.drafts.some(({ part }) => part.type === 'tool_result') ?? false;

/**
 * A tool of the provider's that was still to run when the answer ended runs on if the turn is the last one, or if what
 * follows are results that it waits for. Otherwise the API refuses the call without its result, so it is left out; and
 * so is the caller of a client's call where the code that called it is not there any more.
 */
function withoutDangling(turns: readonly Turn[]): Turn[] {
  const runs = new Set<unknown>();
  return turns.map((turn, at) => {
    if (turn.role !== 'assistant') return turn;
    const runsOn = at === turns.length - 1 || answersCalls(turns[at + 1]);
    const answered = new Set(turn.drafts.map(({ part }) => part.tool_use_id));
    const drafts = turn.drafts.filter(({ part }) => runsOn || !isServerCall(part) || answered.has(part.id));
    for (const { part } of drafts) if (isServerCall(part)) runs.add(part.id);
    return { role: turn.role, drafts: drafts.map((draft) => withKnownCaller(draft, runs)) };
  });
}

function withKnownCaller(draft: Draft, runs: ReadonlySet<unknown>): Draft {
  const { caller, ...part } = draft.part;
  return caller === undefined || part.type !== 'tool_use' || runs.has(fields(caller).tool_id) ? draft : { ...draft, part };
}

/** What the provider's own tools said or did stands last. */
function endsInRun({ drafts }: Turn): boolean {
  const type = drafts.at(-1)?.part.type;
  return typeof type === 'string' && type !== 'text' && type !== 'tool_use' && !THOUGHTS.has(type);
}

const isServerCall = ({ type }: Draft['part']): boolean => type === 'server_tool_use' || type === 'mcp_tool_use';

function toolResult(message: Message, drafts: readonly Draft[], ids: Ids): Draft {
  const parts = drafts.map(({ part }) => part);
  const [first] = parts;
  const content = parts.length === 1 && first?.type === 'text' ? first.text : parts;
  const part = { type: 'tool_result', tool_use_id: ids.result(message.toolCallId ?? ''), ...(parts.length > 0 ? { content } : {}) };
  return { part, cache: drafts.findLast(({ cache }) => cache)?.cache };
}

/** The arguments of an earlier call. The API takes objects only; what is none is kept inside of one. */
function inputOf({ kind, input }: ToolCallBlock): unknown {
  const json = kind === 'custom' ? customInput(input) : input;
  if (json.trim() === '') return {};
  const value = parsed(json);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { input: value };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** Names and ids may have only these characters. */
const safe = (id: string): string => id.replace(/[^a-zA-Z0-9_-]/g, '_') || '_';

interface Ids {
  newTurn(): void;
  call(id: string): string;
  result(id: string): string;
}

/** Ids as the API takes them: of its characters, and none twice in a conversation. Results answer the calls of the turn before, in order. */
function createIds(): Ids {
  const taken = new Set<string>();
  const waiting = new Map<string, string[]>();
  return {
    newTurn: () => waiting.clear(),
    call(id) {
      const plain = safe(id);
      let sent = plain;
      for (let n = 2; taken.has(sent); n++) sent = `${plain}_${n}`;
      taken.add(sent);
      waiting.set(id, [...(waiting.get(id) ?? []), sent]);
      return sent;
    },
    result(id) {
      const calls = waiting.get(id);
      const sent = calls && calls.length > 1 ? calls.shift() : calls?.[0];
      return sent ?? safe(id);
    },
  };
}
