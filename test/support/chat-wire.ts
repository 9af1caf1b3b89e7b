/** What tests of the chat completions wire share: a target, what is sent to it, and answers fed to it. */
import assert from 'node:assert/strict';
import { wholeText } from '../../src/core/json-pieces.ts';
import type { Block, ChatRequest, ChatResponse } from '../../src/core/chat.ts';
import { GatewayError } from '../../src/core/error.ts';
import { createFolder } from '../../src/core/event.ts';
import type { Batch, ChatEvent } from '../../src/core/event.ts';
import { openaiChatWire } from '../../src/protocols/openai-chat/call.ts';
import type { OpenAIChatQuirks } from '../../src/protocols/openai-chat/quirks.ts';
import type { Prepared, WireTarget } from '../../src/protocols/wire.ts';
import { accept } from './openai-chat.ts';

export const HEAD = { id: 'chatcmpl-Own', created: 1_700_000_000 };

export function targetOf(quirks: OpenAIChatQuirks = {}, more: Partial<WireTarget<OpenAIChatQuirks>> = {}): WireTarget<OpenAIChatQuirks> {
  return { provider: 'prov', upstreamModel: 'theirs', model: 'prov/theirs', baseUrl: 'https://api.example/v1', quirks, facts: {}, ...more };
}

export function prepare(request: ChatRequest, quirks: OpenAIChatQuirks = {}): Prepared {
  return openaiChatWire.prepare(request, targetOf(quirks), HEAD);
}

/** The body that a request with these fields becomes, and what is reported as ignored. */
export function sent(
  more: Readonly<Record<string, unknown>>,
  quirks: OpenAIChatQuirks = {},
): { body: Record<string, unknown>; ignored: readonly string[]; steps: number } {
  const { call, ignored, reshape } = prepare(accept(more), quirks);
  return { body: JSON.parse(wholeText(call.body)), ignored, steps: reshape.length };
}

export interface Feeding {
  readonly quirks?: OpenAIChatQuirks;
  readonly request?: Readonly<Record<string, unknown>>;
  /** Without `[DONE]`. */
  readonly cut?: boolean;
}

/** The batches for these chunks, in order, with `[DONE]` behind them and the end of the bytes. */
export function feed(chunks: readonly unknown[], { quirks = {}, request = {}, cut = false }: Feeding = {}): Batch[] {
  const decoder = prepare(accept({ stream: true, ...request }), quirks).decoder();
  const datas = chunks.map((chunk) => (typeof chunk === 'string' ? chunk : JSON.stringify(chunk)));
  const frames = (cut ? datas : [...datas, '[DONE]']).map((data) => ({ event: '', data }));
  return [...frames.map((frame) => decoder.push(frame)), decoder.end()];
}

export const eventsOf = (batches: readonly Batch[]): ChatEvent[] => batches.flatMap(({ events }) => [...events]);

/** The whole answer that the chunks make; throws the error that ended it. */
export function folded(chunks: readonly unknown[], feeding: Feeding = {}): ChatResponse {
  const folder = createFolder();
  folder.push(eventsOf(feed(chunks, feeding)));
  return folder.end();
}

/** A chunk of choice 0. */
export function chunk(delta: unknown, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const { finish_reason = null, logprobs = null, index = 0, ...rest } = more;
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_800_000_000,
    model: 'theirs',
    choices: [{ index, delta, finish_reason, logprobs }],
    ...rest,
  };
}

export const ended = (finish_reason = 'stop', more: Readonly<Record<string, unknown>> = {}) => chunk({}, { finish_reason, ...more });

export const whole = (message: unknown, more: Readonly<Record<string, unknown>> = {}, choice: Readonly<Record<string, unknown>> = {}) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_800_000_000,
  model: 'theirs',
  choices: [{ index: 0, message, finish_reason: 'stop', ...choice }],
  ...more,
});

/** A chunk with one piece of a tool call. */
export const piece = (more: Readonly<Record<string, unknown>>, fn: Readonly<Record<string, unknown>> = {}) =>
  chunk({ tool_calls: [{ ...more, function: fn }] });

/** The blocks of choice 0 of what `folded` gives. */
export const blocksOf = (chunks: readonly unknown[], feeding: Feeding = {}): readonly Block[] =>
  folded(chunks, feeding).choices[0]?.blocks ?? [];

/** A whole answer, read. */
export const read = (body: unknown, quirks: OpenAIChatQuirks = {}, request: Readonly<Record<string, unknown>> = {}): ChatResponse =>
  prepare(accept(request), quirks).response(body).response;

export const call = (id: string, input: string, name = 'f') => ({ type: 'tool_call', id, kind: 'function', name, input }) as const;
export const text = (value: string) => ({ type: 'text', text: value }) as const;

export function errorOf(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('no error');
}
