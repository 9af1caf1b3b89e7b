/** What the gateway needs from outside, as interfaces; compose-root.ts gives the parts. */
import type { CallTrace, Target } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import type { GatewayError } from '../core/error.ts';
import type { Gaps } from '../core/gaps.ts';

/** Where models come from: the local ones now, providers later. Sources are asked in order. */
export interface TargetSource {
  list(): Promise<readonly Target[]>;
  find(model: string): Promise<Target | undefined>;
}

/** A request that is over, for those who count. Times by `performance.now()`. */
export interface FinishedRequest {
  /** The path as the server calls it: one of a few. */
  readonly route: string;
  /** What a completion was asked of; absent for other requests, and where none could be read. */
  readonly model?: string | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly firstTokenAt?: number | undefined;
  readonly gaps?: Gaps | undefined;
  /** What the client was told. */
  readonly usage?: Usage | undefined;
  readonly error?: GatewayError | undefined;
  /** The whole answer went out. */
  readonly sent: boolean;
  readonly trace: CallTrace;
}

/** Is told of every request once, when it is over. Must not throw. */
export type Observe = (request: FinishedRequest) => void;

/** What others of the same machine, or other machines, want to know. */
export interface HealthChange {
  readonly key: string;
  readonly state: 'open' | 'closed';
  /** How long it stays open; 0 for a closing. */
  readonly forMs: number;
  readonly reason: string;
}

/** How processes tell each other how targets do. It never keeps anybody waiting and never throws: without it each finds out by itself. */
export interface HealthBus {
  publish(change: HealthChange): void;
  /** What others told, and at first what they told before. Returns how to stop listening. */
  subscribe(listener: (change: HealthChange) => void): () => void;
  close(): Promise<void>;
}

/** How processes tell each other that keys, or what belongs to them, were changed. It says that, and never what; a message may be lost. */
export interface AccountNews {
  /** Something was changed here, and is in the store. Never throws. */
  tell(): void;
  /** Something was changed elsewhere, or may have been while nothing could be heard. Returns how to stop listening. */
  subscribe(listener: () => void): () => void;
}

/** Answers by names that say nothing of what was asked. Nothing of it throws or rejects: what goes wrong is an answer that is not there. */
export interface CacheStore {
  /** The text; undefined where there is none, or none that can be had in a moment. Whoever reads it looks whether it is one of ours. */
  get(name: string): string | undefined | Promise<string | undefined>;
  /** In place of what was there. Who asks here from now on finds it; nobody has to wait until it is there. */
  set(name: string, text: string): void | Promise<void>;
}

/** Answers that several processes share. */
export interface SharedCache {
  /** `scope`: those with the same one have the same answers. `ttlMs` 0: until others need its place. `room`: bytes of all answers of all processes. */
  of(how: { readonly scope: string; readonly ttlMs: number; readonly room: number }): CacheStore;
  close(): void;
}
