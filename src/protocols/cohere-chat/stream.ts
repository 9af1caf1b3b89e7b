/** A streamed answer: events named by their `type`, from `message-start` to `message-end`. */
import { GatewayError } from '../../core/error.ts';
import type { TokenLogprob } from '../../core/chat.ts';
import type { Batch, ChatEvent, StreamBlock } from '../../core/event.ts';
import { jsonOf, reportedError } from '../failure.ts';
import { count, fields, text } from '../json.ts';
import type { Decoder, Frame } from '../wire.ts';
import { errorMessage, readCitation, readLogprob, readReason, readUsage } from './facts.ts';
import { readCall, thoughtData } from './response.ts';
import type { Answering, ThoughtKeys } from './response.ts';

interface OpenBlock {
  readonly index: number;
  /** Of reasoning, the name under which it goes back. */
  readonly thought?: keyof ThoughtKeys;
  /** Of text and reasoning, all there is of it so far: citations and the provider's state need it. */
  words: string;
  /** Arguments that may yet turn out to say that there are none. */
  held: string;
  /** A high surrogate that waits for its other half. */
  half: string;
}

interface Content {
  /** UTF-16 units of the choice's text before this part. */
  readonly offset: number;
  words: string;
}

const DONE: Batch = { events: [] };

/** `message-end` is the end: without it the stream is cut off. */
export function createDecoder({ head, model, provider }: Answering): Decoder {
  let out: ChatEvent[] = [];
  let started = false;
  let over = false;
  let blocks = 0;
  let called = false;
  let told = 0;
  /** The open block of content, with the part it belongs to. */
  let content: { readonly part: number; readonly block: OpenBlock } | undefined;
  let plan: OpenBlock | undefined;
  const calls = new Map<number, OpenBlock>();
  /** Text by its part, for citations that come after it. */
  const texts = new Map<number, Content>();

  return {
    push(frame) {
      if (over) return DONE;
      out = [];
      take(frame);
      return { events: out };
    },
    end() {
      if (over) return DONE;
      over = true;
      return { events: [{ type: 'error', error: new GatewayError('upstream', 'The provider broke off in the middle of its answer.') }] };
    },
  };

  function take({ event, data }: Frame): void {
    if (data === '' || data === '[DONE]') return undefined;
    const value = jsonOf(data);
    if (typeof value !== 'object' || value === null)
      return fail(new GatewayError('upstream', 'The provider sent an event that is no JSON.'));
    const frame = fields(value);
    const { message } = fields(frame['delta']);
    switch (text(frame['type']) ?? event) {
      case 'message-start':
        return start();
      case 'content-start':
      case 'content-delta':
        return grow(count(frame['index']) ?? 0, fields(fields(message)['content']), frame['logprobs']);
      case 'content-end':
        return endContent();
      case 'tool-plan-delta':
        return growPlan(text(fields(message)['tool_plan']) ?? '');
      case 'tool-call-start':
        return startCall(count(frame['index']) ?? calls.size, fields(message)['tool_calls']);
      case 'tool-call-delta':
        return growCall(count(frame['index']) ?? 0, fields(fields(message)['tool_calls'])['function']);
      case 'tool-call-end':
        return endCall(count(frame['index']) ?? 0);
      case 'citation-start':
        return cite(fields(message)['citations']);
      case 'message-end':
        return finish(fields(frame['delta']));
      default:
        return other(frame, event);
    }
  }

  /** Events that are not known are passed over, but for what reports an error. */
  function other(frame: Readonly<Record<string, unknown>>, event: string): void {
    const named = event === 'error' || frame['type'] === 'error';
    const message = errorMessage(frame);
    if (!named && (frame['type'] !== undefined || message === undefined)) return;
    fail(reportedError({ status: 502, message: message ?? 'The provider reported an error without a message.' }));
  }

  function fail(error: GatewayError): void {
    over = true;
    out.push({ type: 'error', error });
  }

  function start(): void {
    if (started) return;
    started = true;
    out.push({ type: 'start', ...head, model });
  }

  function open(of: StreamBlock, thought?: keyof ThoughtKeys): OpenBlock {
    start();
    const block: OpenBlock = { index: blocks++, ...(thought ? { thought } : {}), words: '', held: '', half: '' };
    out.push({ type: 'block_start', choice: 0, block: block.index, of });
    return block;
  }

  /** Whole characters only. */
  function say(block: OpenBlock, more: string, logprobs?: readonly TokenLogprob[]): void {
    let words = block.half + more;
    block.half = /[\ud800-\udbff]$/.exec(words)?.[0] ?? '';
    if (block.half !== '') words = words.slice(0, -1);
    if (words === '') return;
    out.push({ type: 'block_delta', choice: 0, block: block.index, text: words, ...(logprobs && logprobs.length > 0 ? { logprobs } : {}) });
  }

  function close(block: OpenBlock): void {
    const { index, thought, words } = block;
    if (block.half !== '') out.push({ type: 'block_delta', choice: 0, block: index, text: '\ufffd' });
    if (thought) {
      out.push({ type: 'block_state', choice: 0, block: index, state: { owner: provider, data: thoughtData(thought, words) } });
    }
    out.push({ type: 'block_end', choice: 0, block: index });
  }

  function grow(part: number, delta: Readonly<Record<string, unknown>>, scores: unknown): void {
    const thinking = text(delta['thinking']) ?? '';
    const words = text(delta['text']) ?? '';
    if (thinking !== '') {
      const block = contentBlock(part, 'thinking');
      block.words += thinking;
      say(block, thinking);
    }
    if (words === '') return;
    const block = contentBlock(part, undefined);
    const known = texts.get(part);
    if (known) known.words += words;
    else texts.set(part, { offset: told, words });
    told += words.length;
    say(block, words, readLogprob(scores, words));
  }

  /** The block of a part: opened with its first words, because empty parts are none. */
  function contentBlock(part: number, thought: 'thinking' | undefined): OpenBlock {
    if (content && content.part === part && content.block.thought === thought) return content.block;
    endContent();
    endPlan();
    const block = open(thought ? { type: 'reasoning' } : { type: 'text' }, thought);
    content = { part, block };
    return block;
  }

  function endContent(): void {
    if (content) close(content.block);
    content = undefined;
  }

  function growPlan(words: string): void {
    if (words === '') return;
    endContent();
    plan ??= open({ type: 'reasoning' }, 'tool_plan');
    plan.words += words;
    say(plan, words);
  }

  function endPlan(): void {
    if (plan) close(plan);
    plan = undefined;
  }

  function startCall(at: number, value: unknown): void {
    endContent();
    endPlan();
    endCall(at);
    called = true;
    const { id, name, input, kind } = readCall(value, `${head.id}_${at}`);
    const block = open({ type: 'tool_call', id, kind, name });
    calls.set(at, block);
    addArguments(block, input);
  }

  function growCall(at: number, value: unknown): void {
    const block = calls.get(at);
    const input = fields(value)['arguments'];
    if (block) addArguments(block, typeof input === 'string' ? input : '');
  }

  /** Arguments of `null` are none: what may become that is held back. */
  function addArguments(block: OpenBlock, json: string): void {
    if (json === '') return;
    const whole = block.held + json;
    const mayBeNull = block.words === '' && 'null'.startsWith(whole.trim());
    block.held = mayBeNull ? whole : '';
    if (mayBeNull) return;
    block.words = 'begun';
    say(block, whole);
  }

  function endCall(at: number): void {
    const block = calls.get(at);
    calls.delete(at);
    if (block) close(block);
  }

  function cite(value: unknown): void {
    const given = count(fields(value)['content_index']);
    const [first] = texts.keys();
    const place = texts.get(given ?? first ?? 0);
    if (!place) return;
    const annotations = readCitation(value, place.words, place.offset);
    if (annotations.length > 0) out.push({ type: 'annotations', choice: 0, annotations });
  }

  function finish(delta: Readonly<Record<string, unknown>>): void {
    start();
    let reason;
    try {
      reason = readReason(delta['finish_reason'], called, text(delta['error']) || undefined);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return fail(error);
    }
    endContent();
    endPlan();
    for (const at of calls.keys()) endCall(at);
    over = true;
    out.push({ type: 'finish', choice: 0, reason });
    const usage = readUsage(delta['usage']);
    if (usage) out.push({ type: 'usage', usage });
    out.push({ type: 'end' });
  }
}
