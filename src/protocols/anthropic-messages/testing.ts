/** What the tests of this wire share: requests as clients write them, and what becomes of them. */
import { wholeText } from '../../core/json-pieces.ts';
import type { ChatRequest } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { parseChatRequest } from '../openai-chat/accept.ts';
import type { Frame, ModelFacts, Prepared, WireTarget } from '../wire.ts';
import { anthropicMessagesWire } from './call.ts';
import type { AnthropicQuirks } from './quirks.ts';

/** A model that takes nearly everything: samples, thinks by budget, can be forced, knows formats. */
export const PLAIN = 'claude-haiku-4-5';

export interface Asked {
  readonly model?: string;
  readonly quirks?: AnthropicQuirks;
  readonly facts?: ModelFacts;
}

export const targetOf = ({ model = PLAIN, quirks = {}, facts = {} }: Asked = {}): WireTarget<AnthropicQuirks> => ({
  provider: 'anthropic',
  upstreamModel: model,
  model: `anthropic/${model}`,
  baseUrl: 'https://api.test/v1',
  quirks,
  facts,
});

export const head = { id: 'chatcmpl-test', created: 1_760_000_000 };

export const user = (content: unknown) => ({ role: 'user', content });

export function requestOf(more: Readonly<Record<string, unknown>> = {}): ChatRequest {
  return parseChatRequest({ model: 'm', messages: [user('Hi.')], ...more }, { strict: false });
}

export interface SentBody {
  readonly [field: string]: unknown;
  readonly messages: readonly { readonly role: string; readonly content: readonly Readonly<Record<string, unknown>>[] }[];
  readonly system?: readonly Readonly<Record<string, unknown>>[];
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
}

export interface Sent extends Prepared {
  readonly body: SentBody;
}

/** A client's request, sent. */
export function send(more: Readonly<Record<string, unknown>> = {}, asked: Asked = {}): Sent {
  const prepared = anthropicMessagesWire.prepare(requestOf(more), targetOf(asked), head);
  const body = JSON.parse(wholeText(prepared.call.body)) as SentBody;
  return { ...prepared, body };
}

/** Why a request cannot be sent. */
export function refused(more: Readonly<Record<string, unknown>>, asked: Asked = {}): GatewayError {
  try {
    send(more, asked);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('it was sent');
}

export const frame = (event: unknown): Frame => ({ event: '', data: JSON.stringify(event) });

/** The events that a stream of these makes, its end included. */
export function decoded(events: readonly unknown[], prepared: Prepared = send({ stream: true })): ChatEvent[] {
  const decoder = prepared.decoder();
  return [...events.flatMap((event) => decoder.push(frame(event)).events), ...decoder.end().events];
}
