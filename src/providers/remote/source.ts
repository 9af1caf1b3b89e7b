/** The models of one provider as targets of the gateway. */
import type { ModelCard, Target } from '../../core/call.ts';
import { wires } from '../../protocols/index.ts';
import type { Wire, WireTarget } from '../../protocols/wire.ts';
import type { ListedModel } from '../listing.ts';
import { factsOf, knownModels } from '../models/facts.ts';
import type { KnownModel } from '../models/facts.ts';
import type { DeclaredModel, Provider } from '../provider.ts';
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
    const card = cardOf(provider, prefix + name, [own, found, known]);
    return { card, backend: createRemoteBackend(modelOf(provider, upstream, card), parts) };
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

type Said = Pick<KnownModel, 'contextWindow' | 'maxOutputTokens' | 'capabilities' | 'pricing'> &
  Partial<Pick<KnownModel, 'created' | 'ownedBy'>>;

/** What several sources say of a model, the first that says something about a field being right. */
function cardOf(provider: Provider, id: string, sources: readonly (Said | DeclaredModel | undefined)[]): ModelCard {
  const said = sources.filter((source) => source !== undefined).toReversed() as readonly Said[];
  const merged: Said = Object.assign({}, ...said.map(given));
  const capabilities = Object.assign({}, ...said.map((one) => given(one.capabilities ?? {}))) as ModelCard['capabilities'];
  const pricing = Object.assign({}, ...said.map((one) => given(one.pricing ?? {}))) as NonNullable<ModelCard['pricing']>;
  return {
    id,
    created: merged.created ?? 0,
    ownedBy: merged.ownedBy ?? provider.id,
    provider: provider.id,
    endpoints: ['/v1/chat/completions'],
    ...(merged.contextWindow === undefined ? {} : { contextWindow: merged.contextWindow }),
    ...(merged.maxOutputTokens === undefined ? {} : { maxOutputTokens: merged.maxOutputTokens }),
    capabilities,
    ...(Object.keys(pricing).length > 0 ? { pricing } : {}),
  };
}

/** Only the fields that have a value: an absent one must not hide another source's. */
function given(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
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
