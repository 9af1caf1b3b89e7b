/** A provider as it is configured: a catalog row, or a custom one, with the administrator's settings filled in. */
import type { Signal } from '../core/abort.ts';
import type { Capabilities, Pricing } from '../core/call.ts';
import type { HttpCall } from '../protocols/wire.ts';
import type { Auth, Listing, ModelRule, Spoken } from './row.ts';

/** Adds what proves who we are: headers, a signature. Throws a GatewayError where there is no credential to be had. */
export type Authorizer = (call: OutgoingCall, signal: Signal) => Promise<Readonly<Record<string, string>>>;

/** A request before it is authorized. */
export type OutgoingCall = HttpCall & { readonly method: 'GET' | 'POST' };

/** A model that the configuration declares: always offered, with what it says of it before what a table says. */
export interface DeclaredModel {
  /** What clients call it, behind the provider's id and a slash. */
  readonly id: string;
  /** What the provider calls it. */
  readonly upstream: string;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly capabilities?: Capabilities;
  readonly pricing?: Pricing;
}

/** Milliseconds; 0 is no limit. */
export interface Timeouts {
  readonly connectMs: number;
  /** Until the head of the answer. */
  readonly headersMs: number;
  /** Between two reads of the answer. */
  readonly idleMs: number;
}

export interface Provider {
  /** First part of its models' ids, owner of the state it makes. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly speaks: Spoken;
  readonly baseUrl: string;
  readonly auth: Auth;
  readonly headers: Readonly<Record<string, string>>;
  readonly rules: readonly ModelRule[];
  readonly listing: Listing | undefined;
  /** The catalog's row, by which tables of models know the provider; absent for custom ones. */
  readonly row: string | undefined;
  readonly models: readonly DeclaredModel[];
  /** Only declared models are offered. */
  readonly onlyDeclared: boolean;
  readonly local: boolean;
  readonly timeouts: Timeouts;
  readonly authorize: Authorizer;
}
