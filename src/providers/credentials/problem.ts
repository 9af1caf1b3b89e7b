/** Credentials that are missing, malformed, or not to be had, in words that tell an administrator what to do. */
import { unlessAborted } from '../../core/abort.ts';
import type { Signal } from '../../core/abort.ts';
import { GatewayError } from '../../core/error.ts';

/** `problem` follows the provider's name: `has no API key: set OPENAI_API_KEY.` */
export function notSetUp(provider: string, problem: string, cause?: unknown): GatewayError {
  return new GatewayError('internal', `The provider '${provider}' ${problem}`, cause === undefined ? {} : { cause: described(cause) });
}

/** What may work the next time. */
export function notToBeHad(provider: string, problem: string, cause: unknown): GatewayError {
  return new GatewayError('upstream', `The provider '${provider}' ${problem}`, { cause: described(cause) });
}

/** What is wrong with a key, or undefined. It is never quoted. */
export function keyProblem(key: string): string | undefined {
  if (/^[\x21-\x7e]+$/.test(key)) return undefined;
  return 'has an API key with characters that no key has: only printable ASCII without spaces can be sent.';
}

/** The words of a failure without what hangs on it: a request with its token, a key file's content. */
function described(cause: unknown): Error {
  if (!(cause instanceof Error)) return new Error('unknown failure');
  const plain = new Error(cause.message);
  plain.name = cause.name;
  return plain;
}

/** Waits no longer than the signal lets it; what is waited for goes on, for the others who share it. */
export async function until<T>(start: () => Promise<T>, signal: Signal): Promise<T> {
  signal.throwIfAborted();
  return unlessAborted(start(), signal);
}

/** A function whose callers, as long as the first of them waits, all wait for the same. */
export function sharing<T>(make: () => Promise<T>): () => Promise<T> {
  let pending: Promise<T> | undefined;
  return () => {
    pending ??= make().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}
