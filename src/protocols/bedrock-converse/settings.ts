/** What a request says beside its conversation, tools and thoughts. */
import type { ChatRequest } from '../../core/chat.ts';
import { entry, fields, text } from '../json.ts';
import { isBlank } from './content.ts';
import type { BedrockQuirks } from './quirks.ts';
import type { Thinking } from './reasoning.ts';

export interface Stops {
  readonly sent: readonly string[];
  /** Those that are cut off by us. */
  readonly ours: readonly string[];
}

/** Stop strings of nothing but white space are refused by some models: those are ours. */
export function planStops(request: ChatRequest, { maxStops = Infinity, echoesStop }: BedrockQuirks): Stops {
  const sendable = request.stop.filter((one) => !isBlank(one));
  const sent = sendable.slice(0, maxStops);
  return { sent, ours: echoesStop ? request.stop : request.stop.filter((one) => !sent.includes(one)) };
}

/** `inferenceConfig`; undefined where there is nothing in it. Temperatures end at 1. */
export function inferenceConfig(
  request: ChatRequest,
  rules: { readonly quirks: BedrockQuirks; readonly thinking: Thinking; readonly stops: Stops; readonly ignored: string[] },
): Readonly<Record<string, unknown>> | undefined {
  const { quirks, thinking, stops, ignored } = rules;
  const { temperature, topP } = request.sampling;
  const allowed = thinking.sampling && quirks.sampling !== 'none';
  const both = allowed && (quirks.sampling !== 'one' || temperature === undefined);
  if (!allowed && temperature !== undefined && temperature !== 1) ignored.push('temperature');
  if (!both && topP !== undefined && topP !== 1) ignored.push('top_p');
  const config = {
    ...(request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens }),
    ...(allowed && temperature !== undefined ? { temperature: Math.min(temperature, 1) } : {}),
    ...(both && topP !== undefined ? { topP } : {}),
    ...(stops.sent.length > 0 ? { stopSequences: stops.sent } : {}),
  };
  return Object.keys(config).length > 0 ? config : undefined;
}

/** The paths of what Converse has no form for at all. */
export function withoutForm(request: ChatRequest): string[] {
  const { sampling, logprobs, verbosity } = request;
  return [
    ...(sampling.seed === undefined ? [] : ['seed']),
    ...(sampling.frequencyPenalty ? ['frequency_penalty'] : []),
    ...(sampling.presencePenalty ? ['presence_penalty'] : []),
    ...(sampling.logitBias ? ['logit_bias'] : []),
    ...(logprobs ? ['logprobs'] : []),
    ...(logprobs && logprobs.top > 0 ? ['top_logprobs'] : []),
    ...(verbosity === undefined || verbosity === 'medium' ? [] : ['verbosity']),
  ];
}

const TIERS: Readonly<Record<string, string>> = { flex: 'flex', priority: 'priority', fast: 'priority', scale: 'reserved' };

/** The fields of the request that `extras` names, as far as Converse has them; the others go into `ignored`. */
export function writeExtras(request: ChatRequest, quirks: BedrockQuirks, ignored: string[]): Readonly<Record<string, unknown>> {
  const body: Record<string, unknown> = {};
  for (const path of request.extras) {
    // the plan of the tools has seen to it
    if (path === 'web_search_options') continue;
    if (path === 'metadata') Object.assign(body, requestMetadata(request, ignored));
    else if (path === 'service_tier') Object.assign(body, serviceTier(text(request.raw.service_tier) ?? '', quirks, ignored));
    else ignored.push(path);
  }
  return body;
}

/** Characters of keys and values in `requestMetadata`. */
const NOTE = /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/;

function requestMetadata({ raw }: ChatRequest, ignored: string[]): Readonly<Record<string, unknown>> {
  const notes = Object.entries(fields(raw.metadata));
  const sent = notes.filter(([key, value]) => key !== '' && NOTE.test(key) && typeof value === 'string' && NOTE.test(value));
  if (sent.length < notes.length) ignored.push('metadata');
  return sent.length > 0 ? { requestMetadata: Object.fromEntries(sent) } : {};
}

function serviceTier(tier: string, quirks: BedrockQuirks, ignored: string[]): Readonly<Record<string, unknown>> {
  if (tier === 'fast' && quirks.latencyOptimized) return { performanceConfig: { latency: 'optimized' } };
  const type = entry(TIERS, tier);
  if (type !== undefined) return { serviceTier: { type } };
  ignored.push('service_tier');
  return {};
}
