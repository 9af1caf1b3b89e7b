/** Checked settings of routes as the gateway wants them: times in milliseconds, every name as in `gateway/route.ts`. */

/** Written times. */
type Times = Readonly<Partial<Record<'firstOutput' | 'idle' | 'whole', string>>>;

interface TargetInput {
  readonly model: string;
  readonly weight?: number;
  readonly maxInFlight?: number;
  readonly timeouts?: Times;
}

/** An entry of `models.routes`, or what stands in `routing`. */
export interface RouteInput {
  readonly targets?: readonly (string | TargetInput)[];
  readonly strategy?: 'ordered' | 'weighted' | 'least-busy' | 'lowest-latency' | 'cheapest';
  readonly sticky?: 'off' | 'auto' | 'cache-key' | 'user' | 'conversation';
  readonly attempts?: number;
  readonly maxWait?: string;
  readonly timeouts?: Times;
  readonly hedge?: boolean;
  readonly onContentFilter?: boolean;
  readonly continue?: boolean;
  readonly drain?: boolean;
}

/** Fields without a value are left out. */
export type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as Given<T>;
}

type ToMs = (text: string) => number;

const timesOf = (times: Times | undefined, ms: ToMs) => {
  const read = (text: string | undefined): number | undefined => (text === undefined ? undefined : ms(text));
  return given({ firstOutputMs: read(times?.firstOutput), idleMs: read(times?.idle) });
};

/** The part of it that is policy. */
export function policyOf(input: RouteInput, ms: ToMs) {
  const { strategy, sticky, attempts, maxWait, timeouts, hedge, onContentFilter, drain } = input;
  return given({
    strategy,
    sticky,
    attempts,
    maxWaitMs: maxWait === undefined ? undefined : ms(maxWait),
    wholeMs: timeouts?.whole === undefined ? undefined : ms(timeouts.whole),
    hedge,
    onContentFilter,
    continues: input.continue,
    drains: drain,
  });
}

export function routeOf(input: RouteInput, ms: ToMs) {
  const targets = (input.targets ?? []).map((target) => {
    if (typeof target === 'string') return { model: target };
    const { timeouts, ...rest } = target;
    return { ...given(rest), model: rest.model, timeouts: timesOf(timeouts, ms) };
  });
  return { targets, policy: policyOf(input, ms), timeouts: timesOf(input.timeouts, ms) };
}
