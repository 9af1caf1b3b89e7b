/** Answers that a provider's filter kept back, before a client has seen anything of them. */
import type { Reply } from '../core/call.ts';
import type { Batch } from '../core/event.ts';

/** A reply whose first batch has been looked at. */
export type Peeked = Reply & { readonly first?: Batch };

/** The same reply, with its first batch known and still to come. */
export async function peeked(reply: Reply): Promise<Peeked> {
  if (reply.kind === 'full') return reply;
  const inner = reply.batches[Symbol.asyncIterator]();
  const result = await inner.next();
  if (result.done === true) return { ...reply, batches: { [Symbol.asyncIterator]: () => inner } };
  let first: Batch | undefined = result.value;
  const batches: AsyncIterable<Batch> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        if (!first) return inner.next();
        const value = first;
        first = undefined;
        return { done: false, value };
      },
      async return(value?: unknown) {
        return inner.return ? inner.return(value) : { done: true, value };
      },
    }),
  };
  return { ...reply, batches, first: result.value };
}

/** Every choice that there is was filtered, and nothing of them can be seen. */
export function isWithheld(reply: Peeked): boolean {
  if (reply.kind === 'full') {
    const { choices } = reply.response;
    return (
      choices.length > 0 &&
      choices.every(({ reason, blocks }) => reason === 'content_filter' && blocks.every((block) => !('text' in block) || block.text === ''))
    );
  }
  const events = reply.first?.events ?? [];
  const finishes = events.filter((event) => event.type === 'finish');
  const shows = events.some((event) => event.type === 'block_delta' && event.text !== '');
  return finishes.length > 0 && finishes.every(({ reason }) => reason === 'content_filter') && !shows;
}
