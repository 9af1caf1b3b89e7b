/** A streamed answer of the Messages API, frame by frame. */
import type { Block } from '../../core/chat.ts';
import type { Batch, ChatEvent, StreamBlock } from '../../core/event.ts';
import { toGatewayError } from '../../core/error.ts';
import { fields, list, text } from '../json.ts';
import type { Decoder, Frame } from '../wire.ts';
import { annotationsOf, calledByCode, callOf, lastBlocks, stateOf, wholeInput } from './answer.ts';
import type { Reading } from './answer.ts';
import { errorIn, exceptionOf, nonsense } from './failure.ts';
import { stopReason, tierOf, usageOf } from './usage.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A block that is being sent. */
interface Open {
  /** Its number among the blocks of the choice. */
  readonly block: number;
  grow(delta: Fields): void;
  /** What is to be said once it is whole; the end of the block itself is not. */
  close(): void;
}

/** What the events have said of the message as a whole. */
interface Message {
  readonly id: string | undefined;
  usage: Fields;
  end: Fields;
}

const SILENCE: Batch = Object.freeze({ events: Object.freeze([]) });

/** Events may come in frames of their own, or (Bedrock) inside of frames, in base64. */
export function createDecoder(reading: Reading): Decoder {
  const open = new Map<unknown, Open>();
  let events: ChatEvent[] = [];
  let message: Message | undefined;
  let blocks = 0;
  /** UTF-16 units of text so far, over all blocks. */
  let length = 0;
  let over = false;

  return {
    push(frame) {
      if (over) return SILENCE;
      try {
        take(frame);
      } catch (cause) {
        // what reading a part finds to be nonsense
        fail(toGatewayError(cause));
      }
      return flush();
    },
    end() {
      if (over) return SILENCE;
      fail(nonsense('an answer that stops before its end'));
      return flush();
    },
  };

  function flush(): Batch {
    if (events.length === 0) return SILENCE;
    const batch = { events };
    events = [];
    return batch;
  }

  function fail(error: Extract<ChatEvent, { readonly type: 'error' }>['error']): void {
    events.push({ type: 'error', error });
    over = true;
  }

  function take(frame: Frame): void {
    if (frame.exception) return fail(exceptionOf(frame.event, frame.data));
    let event: Fields;
    try {
      event = fields(JSON.parse(frame.data));
      if (typeof event.bytes === 'string') event = fields(JSON.parse(Buffer.from(event.bytes, 'base64').toString('utf8')));
    } catch (cause) {
      return fail(nonsense('an event that is no JSON', cause));
    }
    switch (event.type) {
      case 'content_block_delta':
        return open.get(event.index)?.grow(fields(event.delta));
      case 'content_block_start':
        return startBlock(event.index, fields(event.content_block));
      case 'content_block_stop':
        return stopBlock(event.index);
      case 'message_start':
        return startMessage(fields(event.message));
      case 'message_delta':
        return endMessage(event);
      case 'message_stop':
        return stopMessage();
      case 'error':
        return fail(errorIn(event));
      default:
        // pings, and what is yet to be invented
        return undefined;
    }
  }

  function startMessage(started: Fields): void {
    const id = text(started.id);
    if (message && blocks > 0) return fail(nonsense('a second answer in the middle of the first'));
    const usage = fields(started.usage);
    const again = message !== undefined;
    message = { id, usage, end: started };
    const tier = tierOf(usage);
    const { head, model } = reading;
    // a message may be announced twice
    if (!again) events.push({ type: 'start', id: head.id, created: head.created, model, ...(tier ? { serviceTier: tier } : {}) });
    for (const content of list(started.content)) whole(fields(content));
  }

  /** A block that comes in one piece. */
  function whole(content: Fields): void {
    startBlock(undefined, content);
    stopBlock(undefined);
  }

  function startBlock(index: unknown, content: Fields): void {
    if (!message) return fail(nonsense('a part of an answer before its start'));
    stopBlock(index);
    const one = openBlock(content);
    if (one) open.set(index, one);
  }

  function stopBlock(index: unknown): void {
    const one = open.get(index);
    if (!one) return;
    open.delete(index);
    one.close();
    events.push({ type: 'block_end', choice: 0, block: one.block });
  }

  function announce(of: StreamBlock): number {
    const block = blocks++;
    events.push({ type: 'block_start', choice: 0, block, of });
    return block;
  }

  function say(block: number, piece: string): void {
    if (piece !== '') events.push({ type: 'block_delta', choice: 0, block, text: piece });
  }

  function keep(block: number, data: Fields): void {
    events.push({ type: 'block_state', choice: 0, block, state: stateOf(data, reading) });
  }

  function openBlock(content: Fields): Open | undefined {
    switch (content.type) {
      case 'text':
        return openText(content);
      case 'thinking':
        return openThinking(content);
      case 'tool_use':
        return openCall(content);
      default:
        return typeof content.type === 'string' ? openOther(content) : undefined;
    }
  }

  function openText(content: Fields): Open {
    const block = announce({ type: 'text' });
    const citations = [...list(content.citations)];
    const start = length;
    // the text is kept where it may be cited: the first citation can come after it, but such a block opens with a list
    const mayCite = Array.isArray(content.citations);
    let said = '';
    const add = (piece: string): void => {
      if (mayCite || citations.length > 0) said += piece;
      length += piece.length;
      say(block, piece);
    };
    add(text(content.text) ?? '');
    return {
      block,
      grow(delta) {
        if (typeof delta.text === 'string') add(delta.text);
        else if (delta.type === 'citations_delta') citations.push(delta.citation);
      },
      close() {
        if (citations.length === 0) return;
        const annotations = annotationsOf(citations, start, length);
        if (annotations.length > 0) events.push({ type: 'annotations', choice: 0, annotations });
        keep(block, { ...content, text: said, citations });
      },
    };
  }

  function openThinking(content: Fields): Open {
    const block = announce({ type: 'reasoning' });
    let thinking = text(content.thinking) ?? '';
    let signature = text(content.signature) ?? '';
    say(block, thinking);
    return {
      block,
      grow(delta) {
        if (typeof delta.thinking === 'string') {
          thinking += delta.thinking;
          say(block, delta.thinking);
        } else if (typeof delta.signature === 'string') signature += delta.signature;
      },
      close() {
        if (signature !== '' || reading.unsigned) keep(block, { ...content, thinking, signature });
      },
    };
  }

  function openCall(content: Fields): Open {
    const block = announce({ type: 'tool_call', kind: 'function', ...callOf(content, reading, blocks) });
    // the whole input may stand here already; where it comes in pieces after all, those are it
    const input = wholeInput(content.input);
    let pieces = '';
    return {
      block,
      grow({ partial_json: piece }) {
        if (typeof piece !== 'string') return;
        pieces += piece;
        say(block, piece);
      },
      close() {
        if (pieces === '') say(block, input);
        if (calledByCode(content)) keep(block, pieces === '' ? content : { ...content, input: parsed(pieces) ?? content.input });
      },
    };
  }

  /** Encrypted thinking, runs of the provider's own tools, and types that nobody knows yet: kept whole. */
  function openOther(content: Fields): Open {
    const block = announce({ type: content.type === 'redacted_thinking' ? 'reasoning' : 'opaque' });
    const grown: Record<string, unknown> = { ...content };
    let pieces = '';
    return {
      block,
      grow({ type: _, partial_json: piece, ...rest }) {
        if (typeof piece === 'string') pieces += piece;
        for (const [key, value] of Object.entries(rest)) {
          const before = grown[key];
          grown[key] = typeof value === 'string' && typeof before === 'string' ? before + value : value;
        }
      },
      close() {
        // what is no JSON could not be sent again
        if (pieces !== '') grown.input = parsed(pieces) ?? content.input;
        keep(block, grown);
      },
    };
  }

  function endMessage(event: Fields): void {
    if (!message) return;
    message.end = { ...message.end, ...given(fields(event.delta)) };
    message.usage = { ...message.usage, ...given(fields(event.usage)) };
  }

  function stopMessage(): void {
    if (!message) return fail(nonsense('the end of an answer before its start'));
    for (const index of open.keys()) stopBlock(index);
    for (const block of lastBlocks(message.end, reading)) sayBlock(block);
    events.push({ type: 'finish', choice: 0, reason: stopReason(message.end.stop_reason) });
    const usage = usageOf(message.usage);
    if (usage) events.push({ type: 'usage', usage });
    events.push({ type: 'end' });
    over = true;
  }

  function sayBlock(one: Block): void {
    if (one.type !== 'refusal' && one.type !== 'opaque') return;
    const block = announce({ type: one.type });
    if (one.type === 'refusal') say(block, one.text);
    else events.push({ type: 'block_state', choice: 0, block, state: one.state });
    events.push({ type: 'block_end', choice: 0, block });
  }
}

/** The fields that hold something: later counts stand in for earlier ones, but null says nothing. */
function given(values: Fields): Fields {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));
}

/** Undefined where it is no JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
