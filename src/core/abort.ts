/** Signals that end work, and waiting that one can end. */

/** What is asked of a signal: an AbortSignal's, or that of an `Abort`. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: AbortSignal['reason'];
  /** Throws the reason once it has fired. */
  throwIfAborted(): void;
  /** Each listener is called once at most. */
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * A signal and what fires it. There are several for each request, and each is listened to several times: as AbortControllers they cost
 * a tenth of all that a short completion costs.
 */
export class Abort implements Signal {
  aborted = false;
  reason: AbortSignal['reason'];
  #listeners: (() => void)[] | undefined;

  /** The first call counts. The reason is not undefined, and mostly a GatewayError. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    // one by one: a listener may take others off
    for (let next = this.#listeners?.shift(); next; next = this.#listeners?.shift()) next();
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.aborted) return;
    if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const listeners = this.#listeners;
    if (!listeners) return;
    // who came last mostly leaves first
    const at = listeners.lastIndexOf(listener);
    if (at === listeners.length - 1) listeners.pop();
    else if (at >= 0) listeners.splice(at, 1);
  }
}

export interface Follower {
  /** Fires with the other signal, for its reason, or when it is fired itself. */
  readonly control: Abort;
  /** It does not follow any more. */
  leave(): void;
}

export function following(outer: Signal): Follower {
  const control = new Abort();
  const follow = (): void => control.abort(outer.reason);
  if (outer.aborted) follow();
  else outer.addEventListener('abort', follow, ONCE);
  return { control, leave: () => outer.removeEventListener('abort', follow) };
}

const ONCE = { once: true } as const;

/** `work`, unless the signal fires first: then its reason is thrown at once, however long the work goes on. */
export function unlessAborted<T>(work: Promise<T>, signal: Signal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, ONCE);
    work.then(
      (value) => {
        signal.removeEventListener('abort', stop);
        resolve(value);
      },
      (cause: Error) => {
        signal.removeEventListener('abort', stop);
        reject(cause);
      },
    );
  });
}

/**
 * As `unlessAborted`, for work that comes piece after piece, such as the batches of a stream: the signal is listened to once, for as
 * long as it lives, and not for each of them. The next piece begins when the one before has ended.
 */
export function eachUnlessAborted(signal: Signal): <T>(work: Promise<T>) => Promise<T> {
  let stop: ((cause: Error) => void) | undefined;
  signal.addEventListener('abort', () => stop?.(signal.reason as Error), ONCE);
  return <T>(work: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      stop = reject;
      if (signal.aborted) reject(signal.reason as Error);
      work.then(resolve, reject);
    });
}

/** Resolves after so many milliseconds; rejects with the signal's reason as soon as it fires. */
export function pause(ms: number, signal: Signal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return unlessAborted(promise, signal).finally(() => clearTimeout(timer));
}
