/** From the configuration of routes to what a name leads to. */
import type { Target } from '../core/call.ts';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from './route.ts';
import type { Route, RoutePolicy, RouteTarget, TargetTimeouts } from './route.ts';

export interface TargetSettings {
  readonly model: string;
  readonly weight?: number;
  readonly maxInFlight?: number;
  readonly timeouts?: Partial<TargetTimeouts>;
}

export interface RouteSettings {
  readonly targets: readonly TargetSettings[];
  readonly policy: Partial<RoutePolicy>;
  readonly timeouts: Partial<TargetTimeouts>;
}

/** What holds where a route says nothing else. */
export interface RouteDefaults {
  readonly policy: RoutePolicy;
  readonly timeouts: TargetTimeouts;
}

export const ROUTE_DEFAULTS: RouteDefaults = { policy: DEFAULT_POLICY, timeouts: DEFAULT_TIMEOUTS };

/** The route of a name that has none of its own: these targets, in order. */
export function plainRoute(name: string, found: readonly Target[], { policy, timeouts }: RouteDefaults): Route {
  return {
    name,
    policy,
    targets: found.map((target): RouteTarget => ({ key: target.id, target, weight: 1, maxInFlight: undefined, timeouts })),
  };
}

/** A configured route; `found` has undefined where a target's model is not there now. */
export function configuredRoute(
  name: string,
  { settings, found }: { readonly settings: RouteSettings; readonly found: readonly (Target | undefined)[] },
  defaults: RouteDefaults,
): Route {
  const targets = settings.targets.flatMap(({ weight = 1, maxInFlight, timeouts }, index): RouteTarget[] => {
    const target = found[index];
    if (!target) return [];
    return [{ key: target.id, target, weight, maxInFlight, timeouts: { ...defaults.timeouts, ...settings.timeouts, ...timeouts } }];
  });
  return { name, targets, policy: { ...defaults.policy, ...settings.policy } };
}
