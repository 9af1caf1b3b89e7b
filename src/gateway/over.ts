/** Knows when a reply is over, and has something done before anybody hears of it. */
import type { Signal } from '../core/abort.ts';
import type { Reply } from '../core/call.ts';
import { isOver } from '../core/event.ts';
import type { Batch } from '../core/event.ts';
import type { Soon } from '../core/soon.ts';

/**
 * The same reply. `over` is called when it is complete or broken off, has been left, or its signal has fired. What ends
 * it (its last batch, its failure, a whole answer) is passed on when `over` is done. It may be called more than once.
 */
export function beforeEnd(reply: Reply, signal: Signal, over: () => Soon<void>): Soon<Reply> {
  if (reply.kind !== 'full') return { ...reply, batches: watched(reply.batches, signal, over) };
  const ending = over();
  return ending ? ending.then(() => reply) : reply;
}

function watched(batches: AsyncIterable<Batch>, signal: Signal, over: () => Soon<void>): AsyncIterable<Batch> {
  const gone = (): void => void over();
  if (signal.aborted) gone();
  else signal.addEventListener('abort', gone, { once: true });
  const end = (): Soon<void> => {
    signal.removeEventListener('abort', gone);
    return over();
  };
  return {
    [Symbol.asyncIterator]() {
      const inner = batches[Symbol.asyncIterator]();
      return {
        async next() {
          let result: IteratorResult<Batch>;
          try {
            result = await inner.next();
          } catch (cause) {
            await end();
            throw cause;
          }
          if (result.done === true || isOver(result.value.events)) await end();
          return result;
        },
        async return(value?: unknown) {
          const left = inner.return?.(value);
          // whoever leaves waits for nothing
          void end();
          return (await left) ?? { done: true, value };
        },
      };
    },
  };
}
