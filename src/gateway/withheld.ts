/** Answers that a provider's filter kept back, before a client has seen anything of them. */
import type { Reply } from '../core/call.ts';
import type { Batch, ChatEvent } from '../core/event.ts';

/** A reply whose first batch has been looked at. */
export type Peeked = Reply & { readonly first?: Batch };

/** The same reply, with its first batch known and still to come. */
export async function peeked(reply: Reply): Promise<Peeked> {
  if (reply.kind === 'full') return reply;
  const inner = reply.batches[Symbol.asyncIterator]();
  const held: Batch[] = [];
  // preambles are batches of their own: what shows or ends anything may come later
  while (!held.some(({ events }) => events.some(decides))) {
    const result = await inner.next();
    if (result.done === true) break;
    held.push(result.value);
  }
  const first = { events: held.flatMap(({ events }) => events) };
  const batches: AsyncIterable<Batch> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const value = held.shift();
        return value ? { done: false, value } : inner.next();
      },
      async return(value?: unknown) {
        return inner.return ? inner.return(value) : { done: true, value };
      },
    }),
  };
  return { ...reply, batches, first };
}

const decides = (event: ChatEvent): boolean =>
  event.type === 'finish' ||
  event.type === 'end' ||
  event.type === 'error' ||
  (event.type === 'block_delta' && event.text !== '') ||
  event.type === 'speech_delta' ||
  (event.type === 'block_start' && event.of.type === 'tool_call');

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
