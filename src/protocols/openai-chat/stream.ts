/** A streamed answer as OpenAI's clients expect it: `chat.completion.chunk` objects in server-sent events. */
import type { ChatRequest, ProviderState, TokenLogprob, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { assertNever } from '../../core/event.ts';
import type { ChatEvent, StreamBlock } from '../../core/event.ts';
import { encodeError } from './error.ts';
import { encodeState } from './provider-state.ts';
import { encodeAnnotation, encodeLogprobs, encodeUsage, finishReason, where, whereEmpty } from './wire.ts';

type EventOf<T extends ChatEvent['type']> = Extract<ChatEvent, { readonly type: T }>;
type ToolCallOf = Extract<StreamBlock, { readonly type: 'tool_call' }>;

interface BlockState {
  readonly of: StreamBlock;
  /** The call's place among the calls of its choice; 0 for other blocks. */
  readonly call: number;
  /** A high surrogate that waits for its other half. */
  half: string;
  /** Log probabilities of text that is still held back. */
  waiting: readonly TokenLogprob[];
  empty: boolean;
  length: number;
  state: ProviderState | undefined;
  /** What stands around its text in a frame, once there is some. */
  around: Around | undefined;
}

interface Around {
  /** Behind the envelope. */
  readonly before: string;
  /** Up to the end of the delta. */
  readonly behind: string;
  /** Up to the end of the frame, where nothing stands beside the delta. */
  readonly toEnd: string;
}

interface ChoiceState {
  readonly index: number;
  readonly blocks: Map<number, BlockState>;
  /** All blocks there were, in order. */
  readonly shapes: BlockState[];
  /** The role chunk is out. */
  started: boolean;
  finished: boolean;
  calls: number;
  /** A call that has ended without arguments, while a token limit may still turn out to be why. */
  bare: BlockState | undefined;
}

export interface StreamEncoder {
  /** Frames of the provider's own that pass as they are; the events say what they hold. An error among them gets its frame. */
  pass(events: readonly ChatEvent[], raw: string): string;
  /** The frames that these events make, ready to be written; often '' and never part of a frame. */
  push(events: readonly ChatEvent[]): string;
  /** What is left to say once no more events come: an error frame where the stream broke off. */
  end(): string;
}

/**
 * One encoder for one stream. A failure is a frame `data: {"error": …}` after which nothing follows; `[DONE]` comes
 * only after the `end` event of an answer whose every choice has finished.
 */
export function createStreamEncoder(request: ChatRequest): StreamEncoder {
  const tail = request.includeUsage ? ',"usage":null}\n\n' : '}\n\n';
  const plainEnd = `,"logprobs":null,"finish_reason":null}]${tail}`;
  const choices = new Map<number, ChoiceState>();
  let envelope = '';
  let usage: Usage | undefined;
  let closed = false;
  let out = '';
  /** Frames of other choices, until choice 0 has begun. */
  let later = '';

  return {
    push(events) {
      for (const event of events) {
        if (closed) break;
        take(event);
      }
      const frames = out;
      out = '';
      return frames;
    },
    pass(events, raw) {
      if (closed) return '';
      for (const event of events) {
        if (event.type === 'error') fail(event.error);
        if (event.type === 'end') closed = true;
      }
      const failure = out;
      out = '';
      return raw + failure;
    },
    end() {
      if (closed) return '';
      fail(new GatewayError('upstream', 'The model stopped before the end of its answer.'));
      const frames = out;
      out = '';
      return frames;
    },
  };

  function take(event: ChatEvent): void {
    if (event.type === 'error') return fail(event.error);
    if (event.type === 'start') return open(event);
    if (envelope === '') return fail(new GatewayError('upstream', 'The model sent output before the start of its answer.'));
    switch (event.type) {
      case 'block_start':
        return startBlock(event);
      case 'block_delta':
        return growBlock(event);
      case 'block_end':
        return endBlock(event);
      case 'block_state':
        return keepState(event);
      case 'speech_delta':
        return speak(event);
      case 'annotations':
        return annotate(event);
      case 'finish':
        return finish(event);
      case 'usage':
        usage = event.usage;
        return undefined;
      case 'end':
        return finishStream();
      default:
        return assertNever(event);
    }
  }

  function open(start: EventOf<'start'>): void {
    const { id, created, model, fingerprint = null, serviceTier } = start;
    const tier = where('service_tier', serviceTier);
    const head = JSON.stringify({ id, object: 'chat.completion.chunk', created, model, system_fingerprint: fingerprint, ...tier });
    envelope = `data: ${head.slice(0, -1)},"choices":[`;
  }

  function frame(choice: ChoiceState, delta: string, rest = '"logprobs":null,"finish_reason":null'): void {
    add(choice, `${envelope}{"index":${choice.index},"delta":${delta},${rest}}]${tail}`);
  }

  function add(choice: ChoiceState, text: string): void {
    if (choice.index === 0 || choices.get(0)?.started) out += text;
    else later += text;
  }

  function choiceAt(index: number): ChoiceState {
    const known = choices.get(index);
    if (known) return known;
    const choice: ChoiceState = { index, blocks: new Map(), shapes: [], started: false, finished: false, calls: 0, bare: undefined };
    choices.set(index, choice);
    return choice;
  }

  /** The role chunk waits for the first output, because that decides between empty content and none. */
  function begin(choice: ChoiceState, content: '""' | 'null'): void {
    if (choice.started) return;
    frame(choice, `{"role":"assistant","content":${content},"refusal":null}`);
    choice.started = true;
    if (choice.index !== 0) return;
    out += later;
    later = '';
  }

  function startBlock({ choice: index, block, of }: EventOf<'block_start'>): void {
    const choice = choiceAt(index);
    fillBare(choice);
    const isCall = of.type === 'tool_call';
    const call = isCall ? choice.calls : 0;
    const state: BlockState = { of, call, half: '', waiting: [], empty: true, length: 0, state: undefined, around: undefined };
    choice.blocks.set(block, state);
    choice.shapes.push(state);
    if (!isCall) return;
    begin(choice, 'null');
    if (!request.legacyFunctions || choice.calls === 0) frame(choice, openingDelta(of, choice.calls));
    choice.calls++;
  }

  function openingDelta({ id, kind, name }: ToolCallOf, index: number): string {
    if (request.legacyFunctions) return JSON.stringify({ function_call: { name, arguments: '' } });
    const call = kind === 'custom' ? { custom: { name, input: '' } } : { function: { name, arguments: '' } };
    return JSON.stringify({ tool_calls: [{ index, id, type: kind, ...call }] });
  }

  function growBlock({ choice: index, block, text, logprobs }: EventOf<'block_delta'>): void {
    const choice = choiceAt(index);
    const state = choice.blocks.get(block);
    if (!state) return fail(new GatewayError('upstream', 'The model went on with a part of its answer that it had not begun.'));
    let whole = state.half === '' ? text : state.half + text;
    const last = whole.charCodeAt(whole.length - 1);
    const cut = last >= 0xd800 && last <= 0xdbff;
    state.half = cut ? whole.slice(-1) : '';
    if (cut) whole = whole.slice(0, -1);
    write(choice, state, { text: whole, logprobs });
  }

  function write(
    choice: ChoiceState,
    state: BlockState,
    added: { readonly text: string; readonly logprobs: readonly TokenLogprob[] | undefined },
  ): void {
    const { text } = added;
    const logprobs = state.waiting.length > 0 ? [...state.waiting, ...(added.logprobs ?? [])] : added.logprobs;
    if (text === '') {
      state.waiting = logprobs ?? [];
      return;
    }
    state.waiting = [];
    state.empty = false;
    state.length += text.length;
    if (state.of.type !== 'tool_call') begin(choice, '""');
    state.around ??= around(choice, state);
    const { before, behind, toEnd } = state.around;
    if (before === '') return;
    const json = JSON.stringify(text.isWellFormed() ? text : text.toWellFormed());
    if (!logprobs) return add(choice, `${envelope}${before}${json}${toEnd}`);
    const beside = encodeLogprobs(logprobs, state.of.type === 'refusal' ? 'refusal' : 'content');
    add(choice, `${envelope}${before}${json}${behind},"logprobs":${JSON.stringify(beside)},"finish_reason":null}]${tail}`);
  }

  function around({ index }: ChoiceState, block: BlockState): Around {
    const [opens, closes] = aroundText(block);
    if (opens === '') return { before: '', behind: '', toEnd: '' };
    return { before: `{"index":${index},"delta":${opens}`, behind: closes, toEnd: `${closes}${plainEnd}` };
  }

  /** Nothing for a second call in the older form, which has room for one: such requests ask for no parallel calls. */
  function aroundText({ of, call }: BlockState): readonly [opens: string, closes: string] {
    switch (of.type) {
      case 'text':
        return ['{"content":', '}'];
      case 'reasoning':
        return ['{"reasoning_content":', '}'];
      case 'refusal':
        return ['{"refusal":', '}'];
      case 'tool_call':
        if (request.legacyFunctions) return call === 0 ? ['{"function_call":{"arguments":', '}}'] : ['', ''];
        if (of.kind === 'custom') return [`{"tool_calls":[{"index":${call},"custom":{"input":`, '}}]}'];
        return [`{"tool_calls":[{"index":${call},"function":{"arguments":`, '}}]}'];
      case 'opaque':
      case 'speech':
        return ['', ''];
      default:
        return assertNever(of);
    }
  }

  function keepState({ choice: index, block, state }: EventOf<'block_state'>): void {
    const known = choiceAt(index).blocks.get(block);
    if (known) known.state = state;
  }

  function speak({ choice: index, speech }: EventOf<'speech_delta'>): void {
    const choice = choiceAt(index);
    begin(choice, 'null');
    const { expiresAt, ...rest } = speech;
    frame(choice, JSON.stringify({ audio: { ...rest, ...where('expires_at', expiresAt) } }));
  }

  function annotate({ choice: index, annotations }: EventOf<'annotations'>): void {
    const choice = choiceAt(index);
    begin(choice, '""');
    frame(choice, JSON.stringify({ annotations: annotations.map(encodeAnnotation) }));
  }

  /** Whole and only once: clients that join deltas themselves would garble it. */
  function writeState(choice: ChoiceState): void {
    if (!choice.shapes.some(({ state }) => state)) return;
    const shapes = choice.shapes.map(({ of, length, state }) => {
      return { type: of.type, length, id: of.type === 'tool_call' ? of.id : undefined, state };
    });
    frame(choice, JSON.stringify({ provider_state: encodeState(shapes) }));
  }

  function endBlock({ choice: index, block }: EventOf<'block_end'>): void {
    const choice = choiceAt(index);
    const state = choice.blocks.get(block);
    if (!state) return;
    settle(choice, state);
    choice.blocks.delete(block);
  }

  /** Half a character that never got its other half becomes the replacement character. */
  function settle(choice: ChoiceState, state: BlockState): void {
    if (state.half !== '') {
      const { half } = state;
      state.half = '';
      write(choice, state, { text: half, logprobs: undefined });
    }
    if (state.waiting.length > 0) writeLogprobs(choice, state);
    if (state.of.type !== 'tool_call' || !state.empty) return;
    fillBare(choice);
    choice.bare = state;
  }

  /** Tokens that made no text of their own (the end of the answer, say) still count. */
  function writeLogprobs(choice: ChoiceState, state: BlockState): void {
    begin(choice, '""');
    const beside = encodeLogprobs(state.waiting, state.of.type === 'refusal' ? 'refusal' : 'content');
    state.waiting = [];
    frame(choice, '{"content":""}', `"logprobs":${JSON.stringify(beside)},"finish_reason":null`);
  }

  function fillBare(choice: ChoiceState): void {
    const { bare } = choice;
    choice.bare = undefined;
    if (bare?.of.type !== 'tool_call') return;
    const text = whereEmpty(bare.of.kind);
    if (text !== '') write(choice, bare, { text, logprobs: undefined });
  }

  function finish({ choice: index, reason }: EventOf<'finish'>): void {
    const choice = choiceAt(index);
    for (const state of choice.blocks.values()) settle(choice, state);
    choice.blocks.clear();
    if (reason !== 'length') fillBare(choice);
    begin(choice, '""');
    writeState(choice);
    choice.finished = true;
    frame(choice, '{}', `"logprobs":null,"finish_reason":"${finishReason(reason, request, choice.calls > 0)}"`);
  }

  function finishStream(): void {
    for (let index = 0; index < Math.max(request.n, choices.size); index++) {
      if (choices.get(index)?.finished) continue;
      return fail(new GatewayError('upstream', `The model never finished choice ${index}.`));
    }
    if (request.includeUsage && usage) out += `${envelope}],"usage":${JSON.stringify(encodeUsage(usage))}}\n\n`;
    out += 'data: [DONE]\n\n';
    closed = true;
  }

  function fail(error: GatewayError): void {
    out += `data: ${JSON.stringify(encodeError(error))}\n\n`;
    closed = true;
  }
}
