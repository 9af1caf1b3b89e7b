/** Answers of providers that speak chat completions, whole and streamed, as events and, where they may pass, as they are. */
import type { ChatRequest, ChatResponse } from '../../core/chat.ts';
import { createFolder } from '../../core/event.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { plainMessage } from '../failure.ts';
import { fields, list, text } from '../json.ts';
import type { AnswerHead, Decoder, Frame, WireTarget } from '../wire.ts';
import { createChoiceReader, isFailure } from './answer-choice.ts';
import type { ChoiceReader } from './answer-choice.ts';
import { errorWithin, reported } from './answer-errors.ts';
import { headOf } from './answer-head.ts';
import { readPlain } from './answer-plain.ts';
import { createFramePasser, isComplete, passBody } from './answer-raw.ts';
import type { Passing } from './answer-raw.ts';
import { countExecuted, noteExecuted, readUsage, usageIn } from './answer-usage.ts';
import { learnPattern } from './frame-pattern.ts';
import type { FramePattern } from './frame-pattern.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface AnswerContext {
  readonly request: ChatRequest;
  readonly target: WireTarget<OpenAIChatQuirks>;
  readonly head: AnswerHead;
  /** The answer holds the contract and nothing has to be done to it. */
  readonly passes: boolean;
}

const NOTHING: Batch = { events: [] };
const DONE = 'data: [DONE]\n\n';
/** How often a pattern is learned that no frame follows, before it is given up: each costs as much as two frames. */
const VAIN_PATTERNS = 4;

interface ChoiceState {
  readonly reader: ChoiceReader;
  /** The provider's word for the end; told with what comes next, because some add to a choice that has ended. */
  ending: string | undefined;
  finished: boolean;
}

/** What streams and whole answers have in common. */
interface Answer {
  /** The events of a chunk. Throws a GatewayError where the provider's server gave up, or what it says makes no sense. */
  chunk(chunk: Fields): ChatEvent[];
  /** The events of a chunk that is the one before but for its text. Only with one choice. */
  grow(type: 'text' | 'reasoning', text: string): ChatEvent[];
  /** The last events. Throws `upstream` where a choice has not finished. */
  close(): ChatEvent[];
  /** All choices have finished. */
  finished(): boolean;
}

/** `of`: where a choice says something, in chunks of a stream or in a whole answer. */
function createAnswer({ request, target, head, passes }: AnswerContext, of: 'delta' | 'message'): Answer {
  const { quirks } = target;
  const choices = new Map<number, ChoiceState>();
  /** Tools that the provider ran, by their index. */
  let executed: Map<unknown, string> | undefined;
  let started = false;
  let usage: Fields | undefined;
  let sources: Fields | undefined;
  let ending = 0;

  return { chunk, grow, close, finished: allEnded };

  function chunk(body: Fields): ChatEvent[] {
    const out: ChatEvent[] = [];
    const entries = list(body['choices']);
    if (!started && (entries.length > 0 || text(body['id']))) start(body, out);
    if (body['usage'] != null || body['x_groq'] !== undefined || of === 'message') usage = usageIn(body) ?? usage;
    if (body['citations'] != null || body['search_results'] != null) sources = body;
    for (let at = 0; at < entries.length; at++) take(fields(entries[at]), at, out);
    if (ending > 0) flush(entries, out);
    return out;
  }

  function grow(type: 'text' | 'reasoning', added: string): ChatEvent[] {
    const out: ChatEvent[] = [];
    choices.get(0)?.reader.grow(type, added, out);
    return out;
  }

  function start(body: Fields, out: ChatEvent[]): void {
    started = true;
    out.push({ type: 'start', ...headOf(body, target, head) });
  }

  function take(entry: Fields, at: number, out: ChatEvent[]): void {
    const state = stateOf(entry['index'], at);
    if (!state || state.finished) return;
    const said = fields(entry[of] ?? (of === 'delta' ? entry['message'] : entry['delta']));
    if (said['executed_tools'] !== undefined) noteExecuted(list(said['executed_tools']), (executed ??= new Map<unknown, string>()));
    state.reader.read(said, entry['logprobs'], out);
    if (entry['usage'] != null) usage = usageIn({ choices: [entry] }) ?? usage;
    const reason = entry['finish_reason'];
    if (typeof reason !== 'string' || reason === '') {
      if (of === 'message') end(state, 'stop');
      return;
    }
    if (isFailure(reason)) {
      throw errorWithin(entry) ?? new GatewayError('upstream', `The provider broke off its answer: ${reason}.`);
    }
    end(state, reason);
  }

  function end(state: ChoiceState, reason: string): void {
    if (state.ending === undefined) ending++;
    state.ending = reason;
  }

  /** With one choice asked for there is one, whatever number a server gives it; some count chunks there. */
  function stateOf(index: unknown, at: number): ChoiceState | undefined {
    const given = typeof index === 'number' && Number.isInteger(index) && index >= 0 ? index : at;
    if (request.n === 1 ? at > 0 : given >= request.n) return undefined;
    const choice = request.n === 1 ? 0 : given;
    const known = choices.get(choice);
    if (known) return known;
    const reader = createChoiceReader({
      choice,
      owner: target.provider,
      answerId: head.id,
      logprobs: request.logprobs !== undefined,
      reasoningDetails: quirks.reasoningDetails === true,
      providerState: quirks.providerState === true,
      marks: !passes,
    });
    const state: ChoiceState = { reader, ending: undefined, finished: false };
    choices.set(choice, state);
    return state;
  }

  /** Ends that this chunk does not speak of any more, or all of them where it has no choices. */
  function flush(entries: readonly unknown[], out: ChatEvent[]): void {
    const spoken = entries.map((entry, at) => stateOf(fields(entry)['index'], at));
    for (const state of choices.values()) {
      if (!spoken.includes(state)) finish(state, out);
    }
  }

  function finish(state: ChoiceState, out: ChatEvent[]): void {
    if (state.finished || state.ending === undefined) return;
    state.finished = true;
    ending--;
    state.reader.finish(state.ending, sources, out);
  }

  function allEnded(): boolean {
    for (let choice = 0; choice < request.n; choice++) if (choices.get(choice)?.ending === undefined) return false;
    return true;
  }

  function close(): ChatEvent[] {
    const out: ChatEvent[] = [];
    for (let choice = 0; choice < request.n; choice++) {
      const state = choices.get(choice);
      if (state?.ending === undefined)
        throw new GatewayError('upstream', `The provider ended its answer without finishing choice ${choice}.`);
      finish(state, out);
    }
    const read = usage && readUsage(usage, executed && countExecuted(executed));
    if (read) out.push({ type: 'usage', usage: read });
    out.push({ type: 'end' });
    return out;
  }
}

function passingOf({ request, target }: AnswerContext): Passing {
  const { model, provider, quirks } = target;
  return { model, provider, includeUsage: request.includeUsage, providerState: quirks.providerState === true };
}

/** Reads the frames of one stream. */
export function createStreamDecoder(context: AnswerContext): Decoder {
  const { target, passes } = context;
  const answer = createAnswer(context, 'delta');
  const pass = createFramePasser(passingOf(context));
  let closed = false;
  /** What the frame before was like, where it said nothing but a text. */
  let pattern: FramePattern | undefined;
  let toLearn = VAIN_PATTERNS;

  return {
    push(frame) {
      if (closed || frame.data === '') return NOTHING;
      const alike = pattern && frame.event === '' ? pattern.match(frame.data) : undefined;
      if (pattern && alike) {
        toLearn = VAIN_PATTERNS;
        const events = answer.grow(pattern.type, alike.text);
        return passes ? { events, raw: alike.raw } : { events };
      }
      if (frame.data === '[DONE]' || frame.data.trim() === '[DONE]') return finish();
      try {
        return read(frame);
      } catch (cause) {
        return fail(
          cause instanceof GatewayError ? cause : new GatewayError('upstream', 'The provider sent a frame that is not JSON.', { cause }),
        );
      }
    },
    end() {
      if (closed) return NOTHING;
      if (target.quirks.omitsDone && answer.finished()) return finish();
      return fail(new GatewayError('upstream', 'The provider stopped before the end of its answer.'));
    },
  };

  function read({ event, data }: Frame): Batch {
    const parsed: unknown = JSON.parse(data);
    if (event === 'error') throw reported(parsed);
    const chunk = fields(parsed);
    const error = mayFail(chunk) ? errorWithin(parsed) : undefined;
    if (error) throw error;
    const events = answer.chunk(chunk);
    pattern = undefined;
    if (toLearn > 0 && event === '') learn(chunk, data, events);
    return passes ? { events, raw: pass(chunk, data) } : { events };
  }

  function learn(chunk: Fields, data: string, events: readonly ChatEvent[]): void {
    const [said, ...more] = events;
    if (said?.type !== 'block_delta' || said.logprobs || more.length > 0 || context.request.n > 1) return;
    toLearn--;
    pattern = learnPattern({ chunk, data, text: said.text, pass: passes ? pass : undefined });
  }

  function finish(): Batch {
    try {
      const events = answer.close();
      closed = true;
      return passes ? { events, raw: DONE } : { events };
    } catch (cause) {
      return fail(cause instanceof GatewayError ? cause : new GatewayError('upstream', 'The provider ended its answer badly.', { cause }));
    }
  }

  function fail(error: GatewayError): Batch {
    closed = true;
    return { events: [{ type: 'error', error }] };
  }
}

/** A look that nearly all chunks pass: only then is it worth to look for a failure. */
function mayFail(body: Fields): boolean {
  return body['error'] !== undefined || body['base_resp'] !== undefined || !Array.isArray(body['choices']);
}

/** Reads a whole answer. Throws a GatewayError where it is none. */
export function readAnswer(body: unknown, context: AnswerContext): { readonly response: ChatResponse; readonly raw?: string } {
  if (typeof body === 'string') throw new GatewayError('upstream', `The provider's answer is not JSON: ${plainMessage(body)}`);
  const whole = fields(body);
  const error = mayFail(whole) ? errorWithin(body) : undefined;
  if (error) throw error;
  if (list(whole['choices']).length === 0) throw new GatewayError('upstream', 'The provider answered without a choice.');
  const response = readPlain(whole, context) ?? readFolded(whole, context);
  return context.passes && isComplete(whole) ? { response, raw: passBody(whole, passingOf(context)) } : { response };
}

function readFolded(whole: Fields, context: AnswerContext): ChatResponse {
  const answer = createAnswer(context, 'message');
  const folder = createFolder();
  folder.push(answer.chunk(whole));
  folder.push(answer.close());
  return folder.end();
}
