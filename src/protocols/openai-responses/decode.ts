/**
 * Answers of the Responses API as events. Streams are read frame by frame; a whole answer is read as a stream whose only
 * frame is its end, so that both say the same.
 *
 * Items are known by their `output_index`: some hosts change the ids of an item from frame to frame.
 *
 * What the provider's own tools did is kept as `opaque` blocks and counted. Items that ask the client to do something
 * which chat completions have no form for (run a command, apply a patch, move a pointer, approve a call) can only come
 * of tools that no request from here declares; they are kept in the same way, never become tool calls, and the choice
 * ends with `stop`. The files that annotations cite have no URL and no place in the contract: they are left out.
 */
import type { ChatResponse, StopReason } from '../../core/chat.ts';
import { createFolder } from '../../core/event.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { count, entry, fields, list, text } from '../json.ts';
import type { AnswerHead, Decoder, Frame } from '../wire.ts';
import { brokenStream, errorInside, notAnAnswer } from './errors.ts';
import { createCall, createMessage, createOpaque, createReasoning, createUnknownCall, createWrapper, WRAPPERS } from './items.ts';
import type { Aspect, GrowingItem, ItemContext, ItemFields } from './items.ts';
import type { Answer } from './runs.ts';
import { createSources } from './sources.ts';
import { countedTool, readUsage } from './usage.ts';

/** What reading an answer needs to know of the request. */
export interface Asked {
  readonly head: AnswerHead;
  readonly model: string;
  /** Owner of the state in the answer. */
  readonly provider: string;
  /** Names of the client's tools. */
  readonly tools: ReadonlySet<string>;
  readonly logprobs: boolean;
  readonly ownItems: boolean;
  readonly plainReasoning: boolean;
}

interface Growth {
  readonly aspect: Aspect;
  /** The frame's field with the text. */
  readonly field: string;
  /** The frame's field with the number of the part. */
  readonly part: string;
  readonly whole: boolean;
}

const grows = (aspect: Aspect, field: string, part = 'content_index'): Growth => ({ aspect, field, part, whole: field !== 'delta' });

const GROWTH: ReadonlyMap<string, Growth> = new Map([
  ['response.output_text.delta', grows('text', 'delta')],
  ['response.output_text.done', grows('text', 'text')],
  ['response.refusal.delta', grows('refusal', 'delta')],
  ['response.refusal.done', grows('refusal', 'refusal')],
  ['response.reasoning_summary_text.delta', grows('summary', 'delta', 'summary_index')],
  ['response.reasoning_summary_text.done', grows('summary', 'text', 'summary_index')],
  ['response.reasoning_text.delta', grows('thought', 'delta')],
  ['response.reasoning_text.done', grows('thought', 'text')],
  ['response.function_call_arguments.delta', grows('input', 'delta')],
  ['response.function_call_arguments.done', grows('input', 'arguments')],
  ['response.custom_tool_call_input.delta', grows('input', 'delta')],
  ['response.custom_tool_call_input.done', grows('input', 'input')],
]);

/** Frames that end the answer, and what its status is where it does not say so itself. */
const ENDS: ReadonlyMap<string, string> = new Map([
  ['response.completed', 'completed'],
  ['response.done', 'completed'],
  ['response.incomplete', 'incomplete'],
  ['response.failed', 'failed'],
  ['response.cancelled', 'cancelled'],
]);

const TAKEN: ReadonlySet<string> = new Set([
  ...GROWTH.keys(),
  ...ENDS.keys(),
  'response.created',
  'response.in_progress',
  'response.queued',
  'response.output_item.added',
  'response.output_item.done',
  'response.output_text.annotation.added',
  'error',
]);

/** In the contract's words; "auto" is what was asked for, not what was given. */
const TIERS: Readonly<Record<string, string>> = {
  default: 'default',
  standard: 'default',
  flex: 'flex',
  scale: 'scale',
  priority: 'priority',
  fast: 'fast',
};

const tierOf = (response: ItemFields): string | undefined => entry(TIERS, text(response.service_tier));

const NOTHING: Batch = { events: [] };

export function createDecoder(asked: Asked): Decoder {
  const reader = createReader(asked);
  return {
    push(frame) {
      // some of the others are pictures
      if (reader.closed || (frame.event.startsWith('response.') && !TAKEN.has(frame.event)) || frame.data === '[DONE]') return NOTHING;
      return batch(reader.take(parsed(frame), frame.event));
    },
    end: () => (reader.closed ? NOTHING : batch(reader.fail(brokenStream()))),
  };
}

const batch = (events: readonly ChatEvent[]): Batch => (events.length === 0 ? NOTHING : { events });

function parsed({ data }: Frame): unknown {
  try {
    return JSON.parse(data);
  } catch (cause) {
    return notAnAnswer('a frame of its stream is no JSON', cause);
  }
}

/** A whole answer. Throws its error where it is one, `upstream` where it is no answer. */
export function readAnswer(body: unknown, asked: Asked): ChatResponse {
  const { error, output, status } = fields(body);
  if (!Array.isArray(output) && status !== 'failed') throw error == null ? notAnAnswer('it has no output') : errorInside(error);
  const folder = createFolder();
  folder.push(createReader(asked).take({ type: 'response.completed', response: body }, ''));
  return folder.end();
}

interface Reader {
  readonly closed: boolean;
  /** The events of a frame; `event` is its type where it does not say so itself. */
  take(frame: unknown, event: string): readonly ChatEvent[];
  fail(error: GatewayError): readonly ChatEvent[];
}

interface Open {
  readonly item: GrowingItem;
  /** As it was when it began. */
  readonly added: ItemFields;
}

function createReader(asked: Asked): Reader {
  const { head, provider } = asked;
  let events: ChatEvent[] = [];
  let started = false;
  let closed = false;
  /** The tools that the answer says it was given. */
  let given: readonly unknown[] = [];
  let made = 0;
  const open = new Map<number, Open>();
  const seen = new Set<number>();
  const indexes = new Map<string, number>();
  let latest = 0;
  const runs: Record<string, number> = {};
  const sources = createSources();
  const answer: Answer = {
    emit(event) {
      if (sources.known) sources.watch(event);
      events.push(event);
    },
    blocks: 0,
    length: 0,
    calls: 0,
  };
  const context: ItemContext = {
    answer,
    provider,
    logprobs: asked.logprobs,
    ownItems: asked.ownItems,
    plainReasoning: asked.plainReasoning,
    newId: () => `call_${head.id.replace(/^chatcmpl-/, '')}_${made++}`,
  };

  return {
    get closed() {
      return closed;
    },
    take(frame, event) {
      if (frame instanceof GatewayError) fail(frame);
      else read(fields(frame), event);
      return taken();
    },
    fail(error) {
      fail(error);
      return taken();
    },
  };

  function taken(): readonly ChatEvent[] {
    const now = events;
    events = [];
    return now;
  }

  function fail(error: GatewayError): void {
    closed = true;
    answer.emit({ type: 'error', error });
  }

  function read(frame: ItemFields, event: string): void {
    const type = text(frame.type) ?? event;
    const growth = GROWTH.get(type);
    if (growth) return grow(frame, growth);
    const status = ENDS.get(type);
    if (status !== undefined) return conclude(fields(frame.response), status);
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        return start(fields(frame.response));
      case 'response.output_item.added':
        return begin(indexOf(frame, fields(frame.item), true), fields(frame.item));
      case 'response.output_item.done':
        return finish(indexOf(frame, fields(frame.item)), fields(frame.item));
      case 'response.output_text.annotation.added':
        return open.get(indexOf(frame))?.item.cite(count(frame.content_index) ?? 0, frame.annotation);
      default:
        // an error, or something that looks like nothing else
        if (type === 'error' || (type === '' && frame.error != null)) fail(errorInside(frame.error ?? frame));
        return undefined;
    }
  }

  /** Which item a frame is about; where hosts do not number them, their ids tell, or their order. */
  function indexOf({ output_index: index, item_id: id }: ItemFields, item?: ItemFields, starts = false): number {
    const own = text(id) ?? text(item?.id) ?? '';
    const next = starts || (item !== undefined && !open.has(latest));
    const known = count(index) ?? indexes.get(own) ?? (next ? seen.size : latest);
    if (own !== '') indexes.set(own, known);
    latest = known;
    return known;
  }

  function start(response: ItemFields): void {
    if (Array.isArray(response.tools)) given = list(response.tools);
    if (started) return;
    started = true;
    const tier = tierOf(response);
    const created = count(response.created_at) ?? 0;
    answer.emit({
      type: 'start',
      id: head.id,
      model: asked.model,
      created: created > 0 ? Math.floor(created) : head.created,
      ...(tier === undefined ? {} : { serviceTier: tier }),
    });
  }

  function grow(frame: ItemFields, { aspect, field, part, whole }: Growth): void {
    const piece = text(frame[field]);
    if (piece === undefined) return;
    const index = indexOf(frame);
    const known = open.get(index) ?? (seen.has(index) ? undefined : imply(index, aspect));
    known?.item.grow({ aspect, index: count(frame[part]) ?? 0, text: piece, whole, logprobs: frame.logprobs });
  }

  /** An item that nobody announced. A call without a name cannot be told before its end. */
  function imply(index: number, aspect: Aspect): Open | undefined {
    if (aspect === 'input') return undefined;
    begin(index, { type: aspect === 'text' || aspect === 'refusal' ? 'message' : 'reasoning' });
    return open.get(index);
  }

  function begin(index: number, added: ItemFields): void {
    if (open.has(index)) return;
    start({});
    seen.add(index);
    open.set(index, { item: create(added), added });
  }

  function create(added: ItemFields): GrowingItem {
    const name = text(added.name) ?? '';
    switch (added.type) {
      case 'message':
        return createMessage(context, added);
      case 'reasoning':
        return createReasoning(context);
      case 'function_call':
        if (WRAPPERS.has(name) && !asked.tools.has(name)) return createWrapper(context, added);
        return name !== '' && isProviders(name) ? createUnknownCall(context, added) : createCall(context, added, 'function');
      case 'custom_tool_call':
        return isProviders(name) ? createOpaque(context) : createCall(context, added, 'custom');
      default:
        return createOpaque(context);
    }
  }

  /** Some hosts show the steps of their own tools as calls of custom tools that no request declared. */
  function isProviders(name: string): boolean {
    return !asked.tools.has(name) && given.length > 0 && !given.some((tool) => fields(tool).name === name);
  }

  function finish(index: number, item: ItemFields): void {
    if (!open.has(index)) {
      if (seen.has(index)) return;
      begin(index, item);
    }
    const known = open.get(index);
    open.delete(index);
    known?.item.finish(item);
    if (item.type === 'search_results') sources.read(item);
    const ours = item.type === 'custom_tool_call' && !isProviders(text(item.name) ?? '');
    const tool = ours ? undefined : countedTool(item);
    if (tool !== undefined) runs[tool] = (runs[tool] ?? 0) + 1;
  }

  function conclude(response: ItemFields, byEvent: string): void {
    const status = text(response.status) ?? byEvent;
    if (status === 'failed' || status === 'cancelled' || response.error != null) {
      const error = response.error ?? { message: `The provider ended the answer as ${status}.` };
      return fail(errorInside(error));
    }
    if (status !== 'completed' && status !== 'incomplete') return fail(notAnAnswer(`its status is ${status.slice(0, 40)}`));
    start(response);
    const output = list(response.output).map(fields);
    if (seen.size === 0) for (const [index, item] of output.entries()) finish(index, item);
    for (const [index, { added }] of open) finish(index, output[index]?.type === added.type ? (output[index] ?? added) : added);
    closed = true;
    const cited = sources.annotations();
    if (cited.length > 0) answer.emit({ type: 'annotations', choice: 0, annotations: cited });
    answer.emit({ type: 'finish', choice: 0, reason: reasonOf(response, status) });
    const usage = readUsage(response, runs);
    const tier = tierOf(response);
    if (usage) answer.emit({ type: 'usage', usage, ...(tier === undefined ? {} : { serviceTier: tier }) });
    answer.emit({ type: 'end' });
  }

  function reasonOf(response: ItemFields, status: string): StopReason {
    const reason = text(fields(response.incomplete_details).reason);
    if (reason === 'content_filter') return 'content_filter';
    // all other limits are limits: on tokens, on messages
    if (status === 'incomplete' && reason !== 'steered') return 'length';
    return answer.calls > 0 ? 'tool_calls' : 'stop';
  }
}
