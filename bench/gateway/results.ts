/** What a run found, as bench/results/gateway.json has it. */
import type { Undisturbed } from '../lib/proc.ts';
import type { Machine } from '../lib/report.ts';
import type { Half, HeldMemory, Paced } from './measure.ts';
import type { Loaded } from './wrk.ts';

/** All rounds of one candidate in one case; by the number of connections where there are several. */
export interface Run {
  readonly busy: Record<number, Undisturbed<Loaded>[]>;
  readonly half: Undisturbed<Half>[];
  readonly paced: Record<number, Undisturbed<Paced>[]>;
  held?: HeldMemory;
  /** Why it has fewer rounds than others. */
  readonly problems: string[];
}

export interface CaseResult {
  readonly id: string;
  readonly name: string;
  /** By the ids of candidates; `upstream` is the upstream itself. */
  readonly runs: Readonly<Record<string, Run>>;
}

export interface Results {
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly plan: { readonly quick: boolean; readonly rounds: number; readonly seconds: number };
  /** Of the last minute before and after; and how many cores were busy in the mean, by the bench and by others. */
  readonly load: { readonly before: number; readonly after: number; readonly busyCores: number };
  readonly seconds: number;
  /** Who is missing and why, and who answered wrongly. */
  readonly notes: readonly string[];
  readonly candidates: readonly {
    readonly id: string;
    readonly name: string;
    readonly version?: string | undefined;
    /** MiB before the first request, and after the last. */
    readonly rest: number;
    readonly after: number;
  }[];
  readonly cases: readonly CaseResult[];
}
