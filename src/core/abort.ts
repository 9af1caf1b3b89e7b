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

/** Resolves after so many milliseconds; rejects with the signal's reason as soon as it fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return unlessAborted(promise, signal).finally(() => clearTimeout(timer));
}
