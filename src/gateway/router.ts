/** From the model's name to the backend that serves it. */
import type { Call, Handler, ModelCard, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { nearestNames } from '../core/nearest.ts';
import { ALL_MODELS, nameRules } from './model-names.ts';
import type { ModelNames } from './model-names.ts';
import type { TargetSource } from './ports.ts';

export interface Catalog {
  /** What clients may see, aliases included. A source that cannot say what it has is left out. */
  list(): Promise<readonly ModelCard[]>;
  /** Throws `model_not_found`, with the names that come near, or those between which the client must choose. */
  resolve(name: string): Promise<Target>;
}

/**
 * All sources as one. A name is an alias, the id of a model, or the part of an id after the provider's name where only
 * one model has it. Where two sources know an id, the first one has it.
 */
export function createCatalog(sources: readonly TargetSource[], names: ModelNames = ALL_MODELS): Catalog {
  const rules = nameRules(names);

  const shown = (target: Target): Target => {
    const id = rules.shownAs(target.card.id);
    return id === target.card.id ? target : { ...target, card: { ...target.card, id } };
  };

  const targets = async (): Promise<readonly Target[]> => {
    const all = (await Promise.all(sources.map((source) => source.list()))).flat();
    const byId = new Map<string, Target>();
    for (const target of all) if (rules.offered(target.card.id) && !byId.has(target.card.id)) byId.set(target.card.id, shown(target));
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

  const cards = async (): Promise<readonly ModelCard[]> => {
    const all = (await targets()).map(({ card }) => card).filter(({ id }) => rules.listed(rules.idOf(id) ?? id));
    const known = new Map(all.map((card) => [card.id, card]));
    const named: ModelCard[] = [];
    for (const alias of rules.aliases) {
      const card = rules.alias(alias)?.flatMap((model) => known.get(model) ?? [])[0];
      if (card && !known.has(alias)) named.push({ ...card, id: alias });
    }
    return [...named, ...all];
  };

  return {
    list: cards,
    async resolve(name) {
      const wanted = rules.alias(name) ?? [name];
      for (const one of wanted) {
        const target = await find(one);
        if (target) return target;
      }
      throw modelNotFound(name, await cards());
    },
  };
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

/** The innermost handler: finds the target and hands over. */
export function routed(catalog: Catalog): Handler {
  return async (call: Call) => {
    const target = await catalog.resolve(call.request.model);
    return target.backend.chat(call, target);
  };
}
