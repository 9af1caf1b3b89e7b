/** Somebody who answers chat completions, in processes of its own on the server's core. */
import type { Asked } from '../asked.ts';
import type { Case } from '../cases.ts';
import type { Cores, Upstreams } from '../upstreams.ts';

export interface Candidate {
  readonly id: string;
  readonly name: string;
  /** Whoever it is; absent where the name says all. */
  readonly version?: string;
  /** Its processes. */
  readonly pids: readonly number[];
  /** How it is asked for this; undefined where it cannot do that. */
  asked(of: Case): Asked | undefined;
  stop(): Promise<void>;
}

export interface Setting {
  readonly upstreams: Upstreams;
  readonly cores: Cores | undefined;
  /** A short run: nothing is installed or built for it. */
  readonly quick: boolean;
}

/** One that is not there: why, in one line. */
export interface Absent {
  readonly absent: string;
}

export interface Kind {
  readonly id: string;
  start(setting: Setting): Promise<Candidate | Absent>;
}

export const isAbsent = (one: Candidate | Absent): one is Absent => 'absent' in one;
