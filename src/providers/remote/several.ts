/** Several choices of a provider that gives one at a time: as many requests at once, one answer. */
import type { Reply } from '../../core/call.ts';
import type { ChatRequest, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { mergeChoices, renumber, sumUsage } from '../../protocols/reshape/fan-in.ts';
import { mergeInOrder } from './merge.ts';

/** The request for the choice of this index. A seed is moved on with it: the same one would give the same text. */
export function requestFor(request: ChatRequest, index: number): ChatRequest {
  const { sampling, raw } = request;
  if (sampling.seed === undefined) return { ...request, n: 1 };
  const seed = sampling.seed + index;
  // some wires write what the client wrote
  return { ...request, n: 1, sampling: { ...sampling, seed }, raw: { ...raw, seed } };
}

/** The replies of all choices as one. Streams are read as their reader goes on; `leave` is called when that ends early. */
export function joinReplies(replies: readonly Reply[], leave: () => void): Reply {
  const ignored = [...new Set(replies.flatMap((reply) => reply.ignored))];
  const whole = replies.flatMap((reply) => (reply.kind === 'full' ? [reply.response] : []));
  if (whole.length === replies.length) return { kind: 'full', response: mergeChoices(whole), ignored };
  const streams = replies.flatMap((reply) => (reply.kind === 'stream' ? [reply.batches] : []));
  if (streams.length < replies.length) throw new GatewayError('upstream', 'The provider streams only some of its answers.');
  return { kind: 'stream', batches: joinStreams(streams, leave), ignored };
}

async function* joinStreams(streams: readonly AsyncIterable<Batch>[], leave: () => void): AsyncGenerator<Batch, undefined> {
  const usages: (Usage | undefined)[] = streams.map(() => undefined);
  /** What other choices say before choice 0 has begun: an answer's name comes first. */
  let early: ChatEvent[] | undefined = [];
  let ended = 0;

  try {
    for await (const { index, item } of mergeInOrder(streams)) {
      for (const event of item.events) {
        if (event.type === 'usage') usages[index] = event.usage;
        if (event.type === 'end') ended++;
      }
      let events = renumber(item.events, index);
      const failed = events.find((event) => event.type === 'error');
      if (early && index === 0) {
        events = [...events, ...early];
        early = undefined;
      } else if (early && !failed) {
        early.push(...events);
        continue;
      }
      if (events.length > 0) yield { events };
      if (failed) return;
    }
    if (ended < streams.length) return;
    const usage = sumUsage(usages);
    yield { events: [...(usage ? [{ type: 'usage', usage } as const] : []), { type: 'end' }] };
  } finally {
    leave();
  }
}
