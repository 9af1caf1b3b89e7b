/** One end of a conversation between two processes: calls, streams and news in both directions. How messages travel is not its concern. */
import type { Signal } from '../core/abort.ts';
import { createQueue } from '../core/queue.ts';
import type { Queue } from '../core/queue.ts';
import { failureOf, revived } from './failure.ts';
import { KIND } from './message.ts';
import type { Message } from './message.ts';

/** Who answers a call may ask whether somebody waits for the answer still. */
export interface Asked {
  /** Fires when the call is cancelled, or the other end is gone. Made when it is first asked for. */
  readonly signal: Signal;
}

/** Gives the result, or for a stream its items. What it throws goes to the caller. */
export type Answerer = (args: readonly unknown[], asked: Asked) => unknown;

export interface PeerOptions {
  /** Sends; messages arrive in the order in which they were given here. */
  readonly post: (message: Message) => void;
  readonly answers: Readonly<Record<string, Answerer>>;
  /** What was told could not be taken in: nobody waits to hear of it. */
  readonly failed: (cause: unknown) => void;
}

export interface Peer {
  /** Rejects as the other end does, with the signal's reason where it fires, with the cause of the end where the other end is gone. */
  call(name: string, args: readonly unknown[], signal?: Signal): Promise<unknown>;
  /** The answer is a stream: resolves when it is there. Leaving it early, or the signal, cancels it. */
  open(name: string, args: readonly unknown[], signal?: Signal): Promise<AsyncIterable<unknown>>;
  /** Nobody waits for an answer. */
  tell(name: string, args: readonly unknown[]): void;
  receive(messages: readonly Message[]): void;
  /** False once it is closed. */
  isOpen(): boolean;
  /** A message could not be sent: whoever waits for it hears why. Gives what is to be sent in its place, if anything. */
  unsendable(message: Message, cause: unknown): Message | undefined;
  /** The other end is gone: what is open fails with the cause, what is being answered is cancelled. */
  close(cause: Error): void;
}

/** Items of a stream that may be on their way, or wait for their reader. */
const WINDOW = 256;

interface Open {
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
  /** Of a stream. */
  readonly items: Queue<unknown> | undefined;
  /** Forgets what it listens to. */
  readonly over: (() => void) | undefined;
}

/** A call of the other end that is being answered. A class, because there is one for each: a single small object. */
class Answering implements Asked {
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  /** Of a stream: items that may be sent still, and who waits for more. */
  credit = WINDOW;
  wake: (() => void) | undefined;

  get signal(): Signal {
    this.#controller ??= new AbortController();
    if (this.#reason) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  get isCancelled(): boolean {
    return this.#reason !== undefined;
  }

  cancel(reason: Error): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
    this.wake?.();
  }
}

export function createPeer({ post, answers, failed }: PeerOptions): Peer {
  const open = new Map<number, Open>();
  const answering = new Map<number, Answering>();
  let lastId = 0;
  let ended: Error | undefined;

  const ask = (name: string, args: readonly unknown[], { signal, isStream }: { signal: Signal | undefined; isStream: boolean }) =>
    new Promise<unknown>((resolve, reject) => {
      if (ended) return reject(ended);
      if (signal?.aborted) return reject(signal.reason as Error);
      const id = ++lastId;
      const cancel = (): void => {
        if (open.has(id)) post([KIND.cancel, id]);
        settle(id, (one) => fail(one, signal?.reason));
      };
      const left = (): void => {
        if (open.has(id)) post([KIND.cancel, id]);
        settle(id, () => undefined);
      };
      signal?.addEventListener('abort', cancel, { once: true });
      const over = signal && (() => signal.removeEventListener('abort', cancel));
      open.set(id, { resolve, reject, items: isStream ? counted(createQueue<unknown>(left), id) : undefined, over });
      post([KIND.call, id, name, args]);
    });
  const settle = (id: number, tell: (one: Open) => void): void => {
    const one = open.get(id);
    if (!one) return;
    open.delete(id);
    one.over?.();
    tell(one);
  };
  const fail = ({ reject, items }: Open, cause: unknown): void => {
    reject(cause);
    items?.fail(cause);
  };

  /** The same queue; what is read makes room for more. */
  const counted = (queue: Queue<unknown>, id: number): Queue<unknown> => ({
    ...queue,
    [Symbol.asyncIterator]() {
      const inner = queue[Symbol.asyncIterator]();
      let read = 0;
      return {
        async next() {
          const result = await inner.next();
          if (result.done !== true && ++read === WINDOW / 2) {
            read = 0;
            if (open.has(id)) post([KIND.more, id, WINDOW / 2]);
          }
          return result;
        },
        return: async (value?: unknown) => (inner.return ? inner.return(value) : { done: true, value }),
      };
    },
  });

  const answer = (id: number, name: string, args: readonly unknown[]): void => {
    const answerer = answers[name];
    if (!answerer) return post([KIND.failure, id, failureOf(new Error(`nobody answers ${name} here`))]);
    const asked = new Answering();
    answering.set(id, asked);
    void respond(id, async () => answerer(args, asked), asked);
  };
  const respond = async (id: number, work: () => Promise<unknown>, asked: Answering): Promise<void> => {
    try {
      const value = await work();
      if (isStream(value)) await send(id, value, asked);
      else done(id, [KIND.result, id, value]);
    } catch (cause) {
      done(id, [KIND.failure, id, failureOf(cause)]);
    }
  };
  const done = (id: number, message: Message): void => {
    if (answering.delete(id) && !ended) post(message);
  };

  const send = async (id: number, items: AsyncIterable<unknown>, asked: Answering): Promise<void> => {
    if (!ended) post([KIND.result, id, undefined]);
    for await (const item of items) {
      while (asked.credit <= 0 && !asked.isCancelled) await new Promise<void>((resolve) => (asked.wake = resolve));
      if (asked.isCancelled) break;
      asked.credit--;
      post([KIND.item, id, item]);
    }
    done(id, [KIND.end, id]);
  };

  const heard = (name: string, args: readonly unknown[]): void => {
    try {
      const listener = answers[name];
      if (!listener) throw new Error(`nobody listens to ${name} here`);
      const result = listener(args, new Answering());
      if (result instanceof Promise) result.catch(failed);
    } catch (cause) {
      failed(cause);
    }
  };

  const receive = (message: Message): void => {
    switch (message[0]) {
      case KIND.call:
        return answer(message[1], message[2], message[3]);
      case KIND.tell:
        return heard(message[1], message[2]);
      case KIND.result: {
        const [, id, value] = message;
        const one = open.get(id);
        // a stream begins with it
        if (one?.items) return one.resolve(one.items);
        return settle(id, ({ resolve }) => resolve(value));
      }
      case KIND.failure: {
        const [, id, failure] = message;
        return settle(id, (one) => fail(one, revived(failure)));
      }
      case KIND.item:
        open.get(message[1])?.items?.push(message[2]);
        return;
      case KIND.end:
        return settle(message[1], ({ items }) => items?.close());
      case KIND.cancel:
        answering.get(message[1])?.cancel(new Error('Nobody waits for the answer any more.'));
        return;
      case KIND.more: {
        const asked = answering.get(message[1]);
        if (!asked) return;
        asked.credit += message[2];
        asked.wake?.();
      }
    }
  };

  return {
    call: (name, args, signal) => ask(name, args, { signal, isStream: false }),
    open: (name, args, signal) => ask(name, args, { signal, isStream: true }) as Promise<AsyncIterable<unknown>>,
    tell(name, args) {
      if (!ended) post([KIND.tell, name, args]);
    },
    receive(messages) {
      for (const message of messages) receive(message);
    },
    isOpen: () => ended === undefined,
    unsendable(message, cause) {
      const [kind, id] = message;
      if (kind === KIND.result || kind === KIND.item) {
        answering.get(id)?.cancel(new Error('Its answer cannot be sent.'));
        return [KIND.failure, id, failureOf(cause)];
      }
      if (kind === KIND.call) settle(id, (one) => fail(one, cause));
      else failed(cause);
      return undefined;
    },
    close(cause) {
      if (ended) return;
      ended = cause;
      for (const id of open.keys()) settle(id, (one) => fail(one, cause));
      for (const asked of answering.values()) asked.cancel(cause);
      answering.clear();
    },
  };
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
