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

/** A target under the id that its source gives it. */
export interface Found {
  readonly key: string;
  readonly target: Target;
}

/** The route of a name that has none of its own: these targets, in order. */
export function plainRoute(name: string, found: readonly Found[], { policy, timeouts }: RouteDefaults): Route {
  return { name, policy, targets: found.map((one): RouteTarget => ({ ...one, weight: 1, maxInFlight: undefined, timeouts })) };
}

/** A configured route; `found` has undefined where a target's model is not there now. */
export function configuredRoute(
  name: string,
  { settings, found }: { readonly settings: RouteSettings; readonly found: readonly (Found | undefined)[] },
  defaults: RouteDefaults,
): Route {
  const targets = settings.targets.flatMap(({ weight = 1, maxInFlight, timeouts }, index): RouteTarget[] => {
    const one = found[index];
    if (!one) return [];
    return [{ ...one, weight, maxInFlight, timeouts: { ...defaults.timeouts, ...settings.timeouts, ...timeouts } }];
  });
  return { name, targets, policy: { ...defaults.policy, ...settings.policy } };
}
