/** Several choices of a provider that gives one at a time: as many requests at once, one answer. */
import type { Reply } from '../../core/call.ts';
import type { ChatRequest, ChatResponse, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { mergeInOrder } from './merge.ts';

/** The request for the choice of this index. A seed is moved on with it: the same one would give the same text. */
export function requestFor(request: ChatRequest, index: number): ChatRequest {
  const { seed } = request.sampling;
  const sampling = seed === undefined ? request.sampling : { ...request.sampling, seed: seed + index };
  return { ...request, n: 1, sampling };
}

/** All tokens of all choices; undefined where one of them was not measured: a part is not the whole. */
export function sumUsage(all: readonly (Usage | undefined)[]): Usage | undefined {
  const known = all.filter((usage) => usage !== undefined);
  if (known.length < all.length || known.length === 0) return undefined;
  return known.reduce(addUsage);
}

const DETAILS = [
  'cacheWriteTokens',
  'promptAudioTokens',
  'completionAudioTokens',
  'acceptedPredictionTokens',
  'rejectedPredictionTokens',
  'reportedCost',
] as const satisfies readonly (keyof Usage)[];

function addUsage(a: Usage, b: Usage): Usage {
  const details: { -readonly [K in (typeof DETAILS)[number]]?: number } = {};
  for (const key of DETAILS) {
    const [one, other] = [a[key], b[key]];
    if (one !== undefined || other !== undefined) details[key] = (one ?? 0) + (other ?? 0);
  }
  const tools: Record<string, number> = { ...a.providerTools };
  for (const [name, times] of Object.entries(b.providerTools ?? {})) tools[name] = (tools[name] ?? 0) + times;
  return {
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    ...details,
    ...(a.providerTools || b.providerTools ? { providerTools: tools } : {}),
  };
}

/** The choices of all answers as one answer, named after the first. */
export function joinResponses(responses: readonly ChatResponse[]): ChatResponse {
  const [first] = responses;
  if (!first) throw new GatewayError('internal', 'No answer to join.');
  const usage = sumUsage(responses.map((response) => response.usage));
  return { ...first, choices: responses.flatMap(({ choices }) => choices.slice(0, 1)), usage };
}

/** The replies of all choices as one. Streams are read as their reader goes on; `leave` is called when that ends early. */
export function joinReplies(replies: readonly Reply[], leave: () => void): Reply {
  const ignored = [...new Set(replies.flatMap((reply) => reply.ignored))];
  const whole = replies.flatMap((reply) => (reply.kind === 'full' ? [reply.response] : []));
  if (whole.length === replies.length) return { kind: 'full', response: joinResponses(whole), ignored };
  const streams = replies.flatMap((reply) => (reply.kind === 'stream' ? [reply.batches] : []));
  if (streams.length < replies.length) throw new GatewayError('upstream', 'The provider streams only some of its answers.');
  return { kind: 'stream', batches: joinStreams(streams, leave), ignored };
}

async function* joinStreams(streams: readonly AsyncIterable<Batch>[], leave: () => void): AsyncGenerator<Batch, undefined> {
  const usages: (Usage | undefined)[] = streams.map(() => undefined);
  let started = false;
  let ended = 0;

  const renumber = (event: ChatEvent, choice: number): ChatEvent[] => {
    switch (event.type) {
      case 'start': {
        const first = !started;
        started = true;
        return first ? [event] : [];
      }
      case 'usage':
        usages[choice] = event.usage;
        return [];
      case 'end':
        ended++;
        return [];
      case 'error':
        return [event];
      default:
        return event.choice === 0 ? [{ ...event, choice }] : [];
    }
  };

  try {
    for await (const { index, item } of mergeInOrder(streams)) {
      const events = item.events.flatMap((event) => renumber(event, index));
      if (events.length > 0) yield { events };
      if (events.at(-1)?.type === 'error') return;
    }
    if (ended < streams.length) return;
    const usage = sumUsage(usages);
    yield { events: [...(usage ? [{ type: 'usage', usage } as const] : []), { type: 'end' }] };
  } finally {
    leave();
  }
}
