/** Waiting that a signal can end. */

/** `work`, unless the signal fires first: then its reason is thrown at once, however long the work goes on. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const stop = (): void => reject(signal.reason as Error);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const settled = (): void => signal.removeEventListener('abort', stop);
  work.then(resolve, reject).then(settled, settled);
  return promise;
}

/**
 * As `unlessAborted`, for work that comes piece after piece, such as the batches of a stream: the signal is listened to once, for as
 * long as it lives, and not for each of them. The next piece begins when the one before has ended.
 */
export function eachUnlessAborted(signal: AbortSignal): <T>(work: Promise<T>) => Promise<T> {
  let stop: ((cause: Error) => void) | undefined;
  signal.addEventListener('abort', () => stop?.(signal.reason as Error), { once: true });
  return <T>(work: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      stop = reject;
      if (signal.aborted) reject(signal.reason as Error);
      work.then(resolve, reject);
    });
}

/** Resolves after so many milliseconds; rejects with the signal's reason as soon as it fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return unlessAborted(promise, signal).finally(() => clearTimeout(timer));
}
