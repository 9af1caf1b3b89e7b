/** Answers of providers that speak chat completions, whole and streamed, as events and, where they may pass, as they are. */
import type { ChatRequest, ChatResponse } from '../../core/chat.ts';
import { createFolder } from '../../core/event.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { plainMessage } from '../failure.ts';
import { entry, fields, list, text } from '../json.ts';
import type { AnswerHead, Decoder, Frame, WireTarget } from '../wire.ts';
import { createChoiceReader, isFailure } from './answer-choice.ts';
import type { ChoiceReader } from './answer-choice.ts';
import { errorWithin, reported } from './answer-errors.ts';
import { createFramePasser, isComplete, passBody } from './answer-raw.ts';
import type { Passing } from './answer-raw.ts';
import { countExecuted, noteExecuted, readUsage, usageIn } from './answer-usage.ts';
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
const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'default',
  flex: 'flex',
  scale: 'scale',
  priority: 'priority',
  fast: 'fast',
  standard: 'default',
  on_demand: 'default',
  performance: 'priority',
};

interface ChoiceState {
  readonly reader: ChoiceReader;
  /** The provider's word for the end; told with what comes next, because some add to a choice that has ended. */
  ending: string | undefined;
  finished: boolean;
}

/** What streams and whole answers have in common. */
interface Answer {
  /** The events of a chunk. Throws a GatewayError where the provider's server gave up, or what it says makes no sense. */
  chunk(chunk: Fields, of: 'delta' | 'message'): ChatEvent[];
  /** The last events. Throws `upstream` where a choice has not finished. */
  close(): ChatEvent[];
  /** All choices have finished. */
  finished(): boolean;
}

function createAnswer({ request, target, head, passes }: AnswerContext): Answer {
  const { quirks } = target;
  const choices = new Map<number, ChoiceState>();
  /** Tools that the provider ran, by their index. */
  const executed = new Map<unknown, string>();
  const seed = head.id
    .replace(/^chatcmpl-/, '')
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(-24);
  let started = false;
  let usage: Fields | undefined;
  let sources: Fields | undefined;
  let ending = 0;

  return { chunk, close, finished: () => choices.size > 0 && choices.size >= request.n && allEnded() };

  function chunk(body: Fields, of: 'delta' | 'message'): ChatEvent[] {
    const out: ChatEvent[] = [];
    const given = body['choices'];
    const entries = Array.isArray(given) ? list(given) : [];
    if (!started && (entries.length > 0 || text(body['id']))) start(body, out);
    if (body['usage'] != null || body['x_groq'] !== undefined || of === 'message') usage = usageIn(body) ?? usage;
    if (body['citations'] != null || body['search_results'] != null) sources = body;
    for (const [at, entry] of entries.entries()) take(fields(entry), at, { of, out });
    if (ending > 0) flush(entries, out);
    return out;
  }

  function start(body: Fields, out: ChatEvent[]): void {
    started = true;
    const { id, created, system_fingerprint: fingerprint, service_tier: tier } = body;
    const serviceTier = entry(TIERS, text(tier));
    out.push({
      type: 'start',
      id: typeof id === 'string' && id !== '' ? id : head.id,
      model: target.model,
      created: typeof created === 'number' && created > 0 ? Math.floor(created) : head.created,
      ...(typeof fingerprint === 'string' && fingerprint !== '' ? { fingerprint } : {}),
      ...(serviceTier === undefined ? {} : { serviceTier }),
    });
  }

  function take(entry: Fields, at: number, { of, out }: { of: 'delta' | 'message'; out: ChatEvent[] }): void {
    const state = stateOf(entry['index'], at);
    if (!state || state.finished) return;
    const said = fields(entry[of] ?? (of === 'delta' ? entry['message'] : entry['delta']));
    if (said['executed_tools'] !== undefined) noteExecuted(list(said['executed_tools']), executed);
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
      seed,
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
    const spoken = new Set(entries.map((entry, at) => stateOf(fields(entry)['index'], at)));
    for (const state of choices.values()) {
      if (!spoken.has(state)) finish(state, out);
    }
  }

  function finish(state: ChoiceState, out: ChatEvent[]): void {
    if (state.finished || state.ending === undefined) return;
    state.finished = true;
    ending--;
    state.reader.finish(state.ending, sources, out);
  }

  function allEnded(): boolean {
    return [...choices.values()].every((state) => state.ending !== undefined);
  }

  function close(): ChatEvent[] {
    const out: ChatEvent[] = [];
    for (let choice = 0; choice < request.n; choice++) {
      const state = choices.get(choice);
      if (state?.ending === undefined)
        throw new GatewayError('upstream', `The provider ended its answer without finishing choice ${choice}.`);
      finish(state, out);
    }
    const read = usage && readUsage(usage, executed.size > 0 ? countExecuted(executed) : undefined);
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
  const answer = createAnswer(context);
  const pass = createFramePasser(passingOf(context));
  let closed = false;

  return {
    push(frame) {
      if (closed || frame.data === '') return NOTHING;
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
    const events = answer.chunk(chunk, 'delta');
    return passes ? { events, raw: pass(chunk, data) } : { events };
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
  const answer = createAnswer(context);
  const folder = createFolder();
  folder.push(answer.chunk(whole, 'message'));
  folder.push(answer.close());
  const response = folder.end();
  return context.passes && isComplete(whole) ? { response, raw: passBody(whole, passingOf(context)) } : { response };
}
