/** Errors on their way from one process to another: what a client, a log or a retry looks at survives. */
import { GatewayError } from '../core/error.ts';
import type { ErrorKind } from '../core/error.ts';

/** Of a `GatewayError` where it has a kind. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** What was added to it: `code`, `errcode` and the like; plain values alone. */
  readonly more: Readonly<Record<string, string | number | boolean>>;
  readonly cause: Failure | undefined;
  readonly gateway?: {
    readonly kind: ErrorKind;
    readonly param: string | null;
    readonly retryAfterMs: number | undefined;
    readonly retryable: boolean;
    readonly reported: { readonly status: number; readonly type: string; readonly code: string | null } | undefined;
  };
}

/** A chain of causes that leads back to itself must not be followed for ever. */
const DEEPEST = 5;

export function failureOf(cause: unknown, depth = 0): Failure {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const plain = {
    name: error.name,
    message: error.message,
    stack: error.stack,
    more: plainOf(error),
    cause: error.cause === undefined || depth >= DEEPEST ? undefined : failureOf(error.cause, depth + 1),
  };
  if (!(error instanceof GatewayError)) return plain;
  const { kind, param, retryAfterMs, retryable, status, type, code } = error;
  return {
    ...plain,
    gateway: { kind, param, retryAfterMs, retryable, reported: kind === 'reported' ? { status, type, code } : undefined },
  };
}

export function revived(failure: Failure): Error {
  const cause = failure.cause && revived(failure.cause);
  const error = failure.gateway ? gatewayError(failure, cause) : plainError(failure, cause);
  if (failure.stack !== undefined) Object.defineProperty(error, 'stack', { value: failure.stack, writable: true, configurable: true });
  return error;
}

function gatewayError({ message, gateway }: Failure, cause: Error | undefined): GatewayError {
  if (!gateway) throw new Error('a failure without a kind');
  const { kind, param, retryAfterMs, retryable, reported } = gateway;
  return new GatewayError(kind, message, {
    param,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(reported ? { reported } : {}),
    ...(retryable ? {} : { retryable: false }),
    ...(cause ? { cause } : {}),
  });
}

/** Classes that somebody looks for: whether a database refuses a value is told by them. */
const CLASSES: Readonly<Record<string, new (message: string, options?: ErrorOptions) => Error>> = { RangeError, TypeError };

function plainError({ name, message, more }: Failure, cause: Error | undefined): Error {
  const error = new (CLASSES[name] ?? Error)(message, cause ? { cause } : undefined);
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true });
  return Object.assign(error, more);
}

const OWN: ReadonlySet<string> = new Set([
  'name',
  'message',
  'stack',
  'cause',
  'kind',
  'param',
  'retryAfterMs',
  'retryable',
  'status',
  'type',
]);

function plainOf(error: Error): Failure['more'] {
  const isGateway = error instanceof GatewayError;
  const entries = Object.entries(error).filter(
    (entry): entry is [string, string | number | boolean] =>
      !OWN.has(entry[0]) && !(isGateway && entry[0] === 'code') && ['string', 'number', 'boolean'].includes(typeof entry[1]),
  );
  return Object.fromEntries(entries);
}
