/** The models of one provider as targets of the gateway. */
import type { ModelCard, Pricing, Target } from '../../core/call.ts';
import { wires } from '../../protocols/index.ts';
import type { Wire, WireTarget } from '../../protocols/wire.ts';
import type { ListedModel } from '../listing/model.ts';
import { factsOf, knownModels } from '../models/facts.ts';
import type { Provider } from '../provider.ts';
import type { Spoken } from '../row.ts';
import { createRemoteBackend } from './backend.ts';
import type { RemoteParts } from './backend.ts';
import { createListedModels } from './listed.ts';
import type { ListParts } from './listed.ts';

export interface RemoteSource {
  list(): Promise<readonly Target[]>;
  find(id: string): Promise<Target | undefined>;
}

/**
 * Declared models first, then those that the provider lists; while there is no list, those that the tables know.
 * A name that is in no list is passed on unless the list is said to be complete: the provider has the last word.
 */
export function createRemoteSource(provider: Provider, parts: RemoteParts & ListParts): RemoteSource {
  const listed = createListedModels(provider, parts);
  const declared = new Map(provider.models.map((model) => [model.id, model]));
  let made: { readonly from: ReadonlyMap<string, ListedModel> | undefined; readonly targets: readonly Target[] } | undefined;
  const prefix = `${provider.id}/`;

  const targetOf = (name: string, found: ListedModel | undefined): Target => {
    const own = declared.get(name);
    const upstream = own?.upstream ?? name;
    const known = factsOf(provider.row, upstream);
    const card = cardOf(provider, prefix + name, { own, found, known });
    return { id: card.id, card, backend: createRemoteBackend(modelOf(provider, upstream, card), parts) };
  };

  return {
    async list() {
      const there = provider.onlyDeclared ? undefined : await listed.get();
      if (made && made.from === there) return made.targets;
      const names = new Map<string, ListedModel | undefined>([...declared.keys()].map((name) => [name, undefined]));
      if (!provider.onlyDeclared) {
        for (const [name, model] of there ?? []) names.set(name, model);
        if (!there && provider.row !== undefined) for (const name of knownModels(provider.row)) names.set(name, undefined);
      }
      made = { from: there, targets: [...names].map(([name, found]) => targetOf(name, found)) };
      return made.targets;
    },
    async find(id) {
      if (!id.startsWith(prefix) || id.length === prefix.length) return undefined;
      const name = id.slice(prefix.length);
      if (declared.has(name)) return targetOf(name, undefined);
      if (provider.onlyDeclared) return undefined;
      let there = await listed.get();
      if (there && !there.has(name)) there = await listed.again();
      if (there && !there.has(name) && provider.listing?.complete) return undefined;
      return targetOf(name, there?.get(name));
    },
  };
}

type Said = Partial<Pick<ListedModel, 'created' | 'ownedBy' | 'contextWindow' | 'maxOutputTokens' | 'capabilities' | 'pricing'>>;

interface Sources {
  /** The administrator, whose prices are binding. */
  readonly own: Said | undefined;
  readonly found: Said | undefined;
  readonly known: Said;
}

/** What several sources say of a model; the first that says something about a field is right. */
function cardOf(provider: Provider, id: string, { own, found, known }: Sources): ModelCard {
  const said = [own, found, known].filter((source) => source !== undefined);
  const first = <K extends keyof Said>(key: K): Said[K] | undefined => said.find((one) => one[key] !== undefined)?.[key];
  const contextWindow = first('contextWindow');
  const maxOutputTokens = first('maxOutputTokens');
  const joinedPrices = joinedPricing(said.map((one) => one.pricing));
  const pricing = own?.pricing === undefined ? joinedPrices : { ...joinedPrices, binding: true };
  return {
    id,
    created: first('created') ?? 0,
    ownedBy: first('ownedBy') ?? provider.id,
    provider: provider.id,
    endpoints: ['/v1/chat/completions'],
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    capabilities: joined(said.map((one) => one.capabilities)),
    ...(Object.keys(pricing).length > 0 ? { pricing } : {}),
  };
}

/** Those for long prompts and classes of service go with the price of the prompt: one who says what it costs says all of it. */
function joinedPricing(all: readonly (Pricing | undefined)[]): Pricing {
  const first = all.find((one) => one?.input !== undefined);
  const pricing = new Map<string, unknown>(Object.entries(joined(all)));
  for (const field of ['tiers', 'serviceTiers'] as const) {
    if (first?.[field] === undefined) pricing.delete(field);
    else pricing.set(field, first[field]);
  }
  return Object.fromEntries(pricing);
}

/** All fields of all objects; where several have one, it is the first object's. */
function joined<T extends object>(objects: readonly (T | undefined)[]): T {
  return Object.assign({}, ...objects.toReversed()) as T;
}

function modelOf(provider: Provider, upstream: string, card: ModelCard) {
  const rule = provider.rules.find(({ match }) => match.test(upstream));
  const speaks = joinedSpeech(provider.speaks, rule?.speaks);
  const target: WireTarget = {
    provider: provider.id,
    upstreamModel: upstream,
    model: card.id,
    baseUrl: rule?.baseUrl ?? provider.baseUrl,
    quirks: speaks.quirks ?? {},
    facts: {
      ...(card.contextWindow === undefined ? {} : { contextWindow: card.contextWindow }),
      ...(card.maxOutputTokens === undefined ? {} : { maxOutputTokens: card.maxOutputTokens }),
      ...card.capabilities,
    },
  };
  // the row pairs a wire with quirks of its kind, which the map of wires by name cannot say
  return { provider, wire: wires[speaks.wire] as Wire, target };
}

function joinedSpeech(speaks: Spoken, rule: Spoken | undefined): Spoken {
  if (!rule) return speaks;
  if (rule.wire !== speaks.wire) return rule;
  return { ...rule, quirks: { ...speaks.quirks, ...rule.quirks } } as Spoken;
}
