/** From the model's name to the backend that serves it. */
import type { Call, Handler, ModelCard, Pricing, Reply, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import { nearestNames } from '../core/nearest.ts';
import { ALL_MODELS, nameRules } from './model-names.ts';
import type { ModelNames } from './model-names.ts';
import type { TargetSource } from './ports.ts';
import { onlyPriced } from './pricing.ts';
import type { Route } from './route.ts';
import { configuredRoute, plainRoute, ROUTE_DEFAULTS } from './routes.ts';
import type { RouteDefaults, RouteSettings } from './routes.ts';

export interface Catalog {
  /** What clients may see, aliases included. A source that cannot say what it has is left out. */
  list(): Promise<readonly ModelCard[]>;
  /** What a client may know of the model of this name. Throws as `route` does. */
  card(name: string): Promise<ModelCard>;
  /** Rejects with `model_not_found`, with the names that come near, or those between which the client must choose. */
  route(name: string): Promise<Route>;
  /** The same, at once where it was found a moment ago. */
  routeNow(name: string): Soon<Route>;
}

export interface CatalogOptions {
  readonly names?: ModelNames;
  readonly routes?: Readonly<Record<string, RouteSettings>>;
  readonly defaults?: RouteDefaults;
  /** What a target costs, whatever its card says. */
  readonly pricing?: ((target: Target) => Pricing | undefined) | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** A route found so recently is taken as it was: requests name a model each, and come by the thousand. */
const FRESH_MS = 1000;
/** Names that clients can make up (of models that a provider does not list) must not fill the memory. */
const MOST_ROUTES = 1000;

/**
 * All sources as one. A name is an alias, the id of a model, or the part of an id after the provider's name where only
 * one model has it. Where two sources know an id, the first one has it.
 */
export function createCatalog(sources: readonly TargetSource[], options: CatalogOptions = {}): Catalog {
  const { names = ALL_MODELS, routes = {}, defaults = ROUTE_DEFAULTS, pricing: pricingOf, now = () => performance.now() } = options;
  const rules = nameRules(names);

  const shown = (target: Target): Target => {
    const id = rules.shownAs(target.id);
    const pricing = pricingOf ? pricingOf(target) : target.card.pricing;
    if (id === target.card.id && pricing === target.card.pricing) return target;
    return { ...target, card: { ...target.card, id, ...(pricing === undefined ? {} : { pricing }) } };
  };

  const targets = async (): Promise<readonly Target[]> => {
    const all = (await Promise.all(sources.map((source) => source.list()))).flat();
    const byId = new Map<string, Target>();
    for (const target of all) if (rules.offered(target.id) && !byId.has(target.id)) byId.set(target.id, shown(target));
    return [...byId.values()];
  };

  const byId = async (name: string): Promise<Target | undefined> => {
    const id = rules.idOf(name);
    if (id === undefined || !rules.offered(id)) return undefined;
    for (const source of sources) {
      const target = await source.find(id);
      if (target) return shown(target);
    }
    return undefined;
  };

  const byPlainName = async (name: string): Promise<Target | undefined> => {
    const all = await targets();
    const direct = all.filter(({ card }) => card.id === `${card.provider}/${name}`);
    const deeper = direct.length > 0 ? direct : all.filter(({ card }) => card.id.endsWith(`/${name}`));
    if (deeper.length > 1) throw ambiguous(name, deeper);
    return deeper[0];
  };

  const find = async (name: string): Promise<Target | undefined> => {
    // a name that was given up must not turn up as part of another's
    if (rules.idOf(name) === undefined) return undefined;
    return (await byId(name)) ?? byPlainName(name);
  };

  /** The route of a name of the administrator's own; undefined where it is none, empty where nothing of it is there. */
  const own = async (name: string): Promise<Route | undefined> => {
    const settings = Object.hasOwn(routes, name) ? routes[name] : undefined;
    if (settings) {
      const found = await Promise.all(settings.targets.map(({ model }) => find(model)));
      return configuredRoute(name, { settings, found }, defaults);
    }
    const alias = rules.alias(name);
    if (!alias) return undefined;
    const found = await Promise.all(alias.map(find));
    return plainRoute(
      name,
      found.filter((one) => one !== undefined),
      defaults,
    );
  };

  const cards = async (): Promise<readonly ModelCard[]> => {
    const all = (await targets()).map(({ card }) => card).filter(({ id }) => rules.listed(rules.idOf(id) ?? id));
    const known = new Set(all.map(({ id }) => id));
    const ownNames = [...new Set([...Object.keys(routes), ...rules.aliases])].filter((name) => !known.has(name));
    const ownRoutes = await Promise.all(ownNames.map(own));
    const named = ownRoutes.flatMap((route) => {
      const [first] = route?.targets ?? [];
      return route && first ? [{ ...first.target.card, id: route.name }] : [];
    });
    return [...named, ...all];
  };

  const lookUp = async (name: string): Promise<Route> => {
    const mine = await own(name);
    if (mine && mine.targets.length > 0) return mine;
    const found = mine ? undefined : await find(name);
    if (!found) throw modelNotFound(name, await cards());
    return plainRoute(name, [found], defaults);
  };

  const recent = new Map<string, Recent>();
  const routeNow = (name: string): Soon<Route> => {
    const known = recent.get(name);
    if (known && now() < known.until) return known.found ?? known.looking;
    const looking = lookUp(name);
    if (recent.size >= MOST_ROUTES) recent.clear();
    // those who ask meanwhile wait for the same answer; a name that is not there is looked up again each time
    const fresh: Recent = { until: now() + FRESH_MS, looking, found: undefined };
    recent.set(name, fresh);
    looking.then(
      (found) => (fresh.found = found),
      () => recent.get(name) === fresh && recent.delete(name),
    );
    return looking;
  };
  const route = async (name: string): Promise<Route> => routeNow(name);

  return {
    list: cards,
    route,
    routeNow,
    async card(name) {
      const {
        targets: [first],
      } = await route(name);
      if (!first) throw modelNotFound(name, []);
      const { card } = first.target;
      return card.id !== name && (Object.hasOwn(routes, name) || rules.alias(name)) ? { ...card, id: name } : card;
    },
  };
}

/** A route that was looked up, or is being looked up. */
interface Recent {
  /** By the clock. */
  readonly until: number;
  readonly looking: Promise<Route>;
  found: Route | undefined;
}

function ambiguous(name: string, targets: readonly Target[]): GatewayError {
  const ids = targets.slice(0, 5).map(({ card }) => `'${card.id}'`);
  const more = targets.length > ids.length ? ` and ${targets.length - ids.length} more` : '';
  return new GatewayError('model_not_found', `Several models are called '${name.slice(0, 100)}': say which, ${ids.join(', ')}${more}.`, {
    param: 'model',
  });
}

/** The error for a name that nobody knows; says which names come near. */
export function modelNotFound(asked: string, cards: readonly ModelCard[]): GatewayError {
  const near = nearestNames(
    asked,
    cards.map((card) => card.id),
  );
  const hint =
    near.length > 0
      ? ` Did you mean ${near.map((name) => `'${name}'`).join(' or ')}?`
      : ` GET /v1/models lists the ${cards.length === 1 ? 'one model' : `${cards.length} models`} there ${cards.length === 1 ? 'is' : 'are'}.`;
  return new GatewayError('model_not_found', `The model '${asked.slice(0, 100)}' does not exist.${hint}`, { param: 'model' });
}

export interface RouteOfOptions {
  /** Only with targets that have a price. */
  readonly pricedOnly: boolean;
  /** The route by which a call's worst case was held, which is the one that it goes by. */
  readonly held?: (call: Call) => Route | undefined;
}

/** The route of a call: the same one however often it is asked for. */
export function createRouteOf(catalog: Pick<Catalog, 'routeNow'>, { pricedOnly, held }: RouteOfOptions): (call: Call) => Soon<Route> {
  const priced = (route: Route): Route => (pricedOnly ? onlyPriced(route) : route);
  return (call) => {
    const known = held?.(call);
    if (known) return known;
    const route = catalog.routeNow(call.request.model);
    return route instanceof Promise ? route.then(priced) : priced(route);
  };
}

/** The innermost handler: finds the route and has it answered. */
export function routed(routeOf: (call: Call) => Soon<Route>, answer: (route: Route, call: Call) => Promise<Reply>): Handler {
  return async (call) => {
    const route = routeOf(call);
    return answer(route instanceof Promise ? await route : route, call);
  };
}
