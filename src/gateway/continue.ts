/**
 * Going on with another target where one broke off in the middle of a text. Only where a route asks for it: the two halves
 * are of two minds. Nothing that was shown is shown again.
 */
import type { Call, Reply } from '../core/call.ts';
import type { ChatRequest } from '../core/chat.ts';
import { toGatewayError } from '../core/error.ts';
import type { GatewayError } from '../core/error.ts';
import type { Batch, ChatEvent } from '../core/event.ts';

/** What has been shown so far: one text and nothing else. */
interface Shown {
  readonly text: string;
  readonly block: number;
}

/** A request whose answer may be put together: one choice of free text, whose tokens nobody counts. */
export function mayContinue({ n, tools, responseFormat, logprobs, stream, legacyFunctions }: ChatRequest): boolean {
  return stream && n === 1 && tools.length === 0 && responseFormat.type === 'text' && !logprobs && !legacyFunctions;
}

/** The request with the text that was shown as the beginning of its answer. */
export function continuing(request: ChatRequest, text: string): ChatRequest {
  const { messages, raw } = request;
  const said = Array.isArray(raw['messages']) ? (raw['messages'] as readonly unknown[]) : [];
  return {
    ...request,
    messages: [...messages, { role: 'assistant', blocks: [{ type: 'text', text }] }],
    raw: { ...raw, messages: [...said, { role: 'assistant', content: text }] },
  };
}

/**
 * The batches of a stream; where it breaks off in the middle of its text, those that `resume` gets for the rest.
 * `resume` rejects where nobody can go on: then the first failure is the stream's.
 */
export function continued(batches: AsyncIterable<Batch>, call: Call, resume: (text: string) => Promise<Reply>): AsyncIterable<Batch> {
  const watch = createWatch();
  let current = batches[Symbol.asyncIterator]();
  /** Set once another target goes on; there is no third. */
  let join: ((events: readonly ChatEvent[]) => ChatEvent[]) | undefined;
  /** What broke the stream, after what came before it has been passed on. */
  let failure: GatewayError | undefined;
  let ended = false;

  const goOn = async (): Promise<boolean> => {
    const shown = watch.shown();
    if (join || !shown || failure?.kind === 'cancelled' || call.signal.aborted) return false;
    const reply = await resume(shown.text).catch(() => undefined);
    if (reply?.kind !== 'stream') return false;
    current.return?.().then(undefined, () => undefined);
    current = reply.batches[Symbol.asyncIterator]();
    join = joiner(shown);
    failure = undefined;
    return true;
  };

  const read = async (): Promise<IteratorResult<Batch>> => {
    try {
      return await current.next();
    } catch (cause) {
      return { done: false, value: { events: [{ type: 'error', error: toGatewayError(cause) }] } };
    }
  };

  const next = async (): Promise<IteratorResult<Batch>> => {
    if (ended) return { done: true, value: undefined };
    if (failure && !(await goOn())) {
      ended = true;
      return { done: false, value: { events: [{ type: 'error', error: failure }] } };
    }
    const result = await read();
    if (result.done === true) return result;
    const events: ChatEvent[] = [];
    for (const event of result.value.events) {
      if (event.type === 'error') failure = event.error;
      else events.push(event);
    }
    watch.note(events);
    // written anew throughout: raw frames of two providers do not make one stream
    return { done: false, value: { events: join ? join(events) : events } };
  };

  return {
    [Symbol.asyncIterator]: () => ({
      next,
      async return(value?: unknown) {
        return current.return ? current.return(value) : { done: true, value };
      },
    }),
  };
}

/** Follows what the client has been shown. */
function createWatch() {
  let text = '';
  let block: number | undefined;
  /** Something else than one text has been shown, or the text is complete. */
  let over = false;
  const take = (event: ChatEvent): void => {
    if (event.type === 'block_start' && event.of.type !== 'reasoning') {
      if (event.of.type !== 'text' || block !== undefined) over = true;
      else block = event.block;
    }
    if (event.type === 'block_delta' && event.block === block) text += event.text;
    if (event.type === 'block_end' && event.block === block) over = true;
  };
  return {
    note: (events: readonly ChatEvent[]): void => events.forEach(take),
    /** The text that broke off; undefined where it is none that another could go on with. */
    shown: (): Shown | undefined => (over || block === undefined || text === '' ? undefined : { text, block }),
  };
}

/** Writes a second answer's events as the rest of the first: one start, its text in the block that is open, no usage. */
function joiner({ text: before, block: open }: Shown): (events: readonly ChatEvent[]) => ChatEvent[] {
  /** The second answer's text, while it may still be a repetition of the first. */
  let held: string | undefined = '';
  let textBlock: number | undefined;

  /** What of the new text is new: nothing while it says again what was said. */
  const fresh = (text: string): string => {
    if (held === undefined) return text;
    held += text;
    if (held.length < before.length && before.startsWith(held)) return '';
    const rest = held.startsWith(before) ? held.slice(before.length) : held;
    held = undefined;
    return rest;
  };
  const rest = (): ChatEvent[] => {
    // it said again what was said, and came to its end on the way
    const text = held === undefined || before.startsWith(held) ? '' : held;
    held = undefined;
    return text === '' ? [] : [{ type: 'block_delta', choice: 0, block: open, text }];
  };
  return (events) =>
    events.flatMap((event): ChatEvent[] => {
      switch (event.type) {
        // of the usage: what the first target used is not known, and a part is not the whole
        case 'start':
        case 'usage':
        case 'annotations':
        case 'block_state':
        case 'speech_delta':
          return [];
        case 'block_start':
          if (event.of.type === 'text') textBlock ??= event.block;
          return [];
        case 'block_end':
          return [];
        case 'block_delta': {
          const text = event.block === textBlock ? fresh(event.text) : '';
          return text === '' ? [] : [{ type: 'block_delta', choice: 0, block: open, text }];
        }
        case 'finish':
          return [...rest(), { type: 'block_end', choice: 0, block: open }, event];
        default:
          return [event];
      }
    });
}
