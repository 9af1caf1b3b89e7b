/** What the tests of this wire share. */
import { wholeText } from '../../core/json-pieces.ts';
import type { ChatRequest, ChatResponse } from '../../core/chat.ts';
import { createFolder } from '../../core/event.ts';
import type { ChatEvent } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { parseChatRequest } from '../openai-chat/accept.ts';
import type { Prepared, WireTarget } from '../wire.ts';
import { cohereChatWire } from './call.ts';
import type { CohereChatQuirks } from './quirks.ts';

export const HEAD = { id: 'chatcmpl-1', created: 1 };

export const target = (quirks: CohereChatQuirks = {}, facts: WireTarget['facts'] = {}): WireTarget<CohereChatQuirks> => {
  return { provider: 'cohere', upstreamModel: 'command-x', model: 'cohere/command-x', baseUrl: 'https://api.example', quirks, facts };
};

export const asked = (more: Readonly<Record<string, unknown>> = {}): ChatRequest =>
  parseChatRequest({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...more }, { strict: false });

export interface Sent {
  readonly body: Record<string, unknown>;
  readonly ignored: readonly string[];
  readonly prepared: Prepared;
}

export function sent(more: Readonly<Record<string, unknown>> = {}, to = target()): Sent {
  const prepared = cohereChatWire.prepare(asked(more), to, HEAD);
  return { body: JSON.parse(wholeText(prepared.call.body)) as Record<string, unknown>, ignored: prepared.ignored, prepared };
}

/** Events of a stream of these frames, each a JSON value or the text that stands for one. */
export function decoded(frames: readonly unknown[], prepared = sent({ stream: true }).prepared): ChatEvent[] {
  const decoder = prepared.decoder();
  const events = frames.flatMap((frame) => {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame);
    return [...decoder.push({ event: '', data }).events];
  });
  return [...events, ...decoder.end().events];
}

export function folded(events: readonly ChatEvent[], prepared?: Prepared): ChatResponse {
  const steps = prepared?.reshape.map((make) => make()) ?? [];
  const folder = createFolder();
  for (const event of events) folder.push(steps.reduce<readonly ChatEvent[]>((now, step) => step.push(now), [event]));
  return folder.end();
}

export const whole = (body: unknown, prepared = sent().prepared): ChatResponse =>
  folded(unfold(prepared.response(body).response), prepared);

export const delta = (type: string, message: unknown, more: Readonly<Record<string, unknown>> = {}) => ({
  type,
  ...more,
  delta: { message },
});
export const START = { type: 'message-start', id: 'x', delta: { message: { role: 'assistant' } } };
export const said = (words: string, index = 0) => delta('content-delta', { content: { text: words } }, { index });
export const ended = (reason: string, more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'message-end',
  delta: { finish_reason: reason, ...more },
});
