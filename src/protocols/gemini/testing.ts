/** What the tests of this wire share: a target, requests as a client writes them, and what goes out and comes back. */
import assert from 'node:assert/strict';
import { wholeText } from '../../core/json-pieces.ts';
import type { ChatResponse } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { createFolder } from '../../core/event.ts';
import type { ChatEvent } from '../../core/event.ts';
import { parseChatRequest } from '../openai-chat/accept.ts';
import type { Prepared, WireTarget } from '../wire.ts';
import { geminiWire } from './call.ts';
import type { Content } from './parts.ts';
import type { GeminiQuirks } from './quirks.ts';

export type Target = WireTarget<GeminiQuirks>;

export const gemini = (upstreamModel = 'gemini-3.5-flash', more: Partial<Target> = {}): Target => ({
  provider: 'google',
  upstreamModel,
  model: `google/${upstreamModel}`,
  baseUrl: 'https://google.test/v1beta',
  quirks: {},
  facts: {},
  ...more,
});

export const vertex = (upstreamModel = 'gemini-3.5-flash', quirks: GeminiQuirks = {}): Target =>
  gemini(upstreamModel, {
    provider: 'vertex',
    baseUrl: 'https://eu-aiplatform.test/v1/projects/p/locations/eu',
    quirks: { vertex: true, ...quirks },
  });

export const say = [{ role: 'user', content: 'Say hello.' }];

export const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

export const clock = { type: 'function', function: { name: 'get_time', parameters: { type: 'object', properties: {} } } };

/** The body that goes out, as its own reader would type it. */
export interface Sent {
  readonly contents: readonly Content[];
  readonly systemInstruction?: { readonly parts: readonly { readonly text: string }[] };
  readonly tools?: readonly Record<string, unknown>[];
  readonly toolConfig?: { readonly functionCallingConfig?: Record<string, unknown>; readonly [other: string]: unknown };
  readonly generationConfig?: Readonly<Record<string, unknown>>;
  readonly [other: string]: unknown;
}

export type Body = Readonly<Record<string, unknown>>;

export function prepare(body: Body, target: Target = gemini()): Prepared {
  const request = parseChatRequest({ model: 'm', messages: say, ...body }, { strict: false });
  return geminiWire.prepare(request, target, { id: 'chatcmpl-Abc123', created: 1_760_000_000 });
}

export const sent = (body: Body, target?: Target): Sent => JSON.parse(wholeText(prepare(body, target).call.body)) as Sent;

/** Only the messages matter. */
export const contents = (messages: readonly unknown[], target?: Target): readonly Content[] => sent({ messages }, target).contents;

export const ignored = (body: Body, target?: Target): readonly string[] => prepare(body, target).ignored;

/** The error that this ends in. */
export function failure(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('it went well');
}

/** An answer of one candidate with these parts. */
export const answered = (parts: readonly unknown[], more: Body = {}): Body => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0, ...more }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
});

/** A chunk of a stream, without an end. */
export const chunk = (parts: readonly unknown[], more: Body = {}): Body => ({
  candidates: [{ content: { role: 'model', parts }, ...more }],
});

export const whole = (body: unknown, { request = {}, target = gemini() }: { request?: Body; target?: Target } = {}): ChatResponse =>
  prepare(request, target).response(body).response;

/** All events of a stream of these frames, and of its end. */
export function streamed(
  frames: readonly unknown[],
  { request = {}, target = gemini() }: { request?: Body; target?: Target } = {},
): ChatEvent[] {
  const decoder = prepare({ stream: true, ...request }, target).decoder();
  const events = frames.flatMap((frame) => {
    return decoder.push({ event: '', data: typeof frame === 'string' ? frame : JSON.stringify(frame) }).events;
  });
  return [...events, ...decoder.end().events];
}

/** The whole answer that a stream makes; throws its error. */
export function folded(frames: readonly unknown[], options?: { request?: Body; target?: Target }): ChatResponse {
  const folder = createFolder();
  folder.push(streamed(frames, options));
  return folder.end();
}
