/** A provider's own list of its models: fetched when it is first needed, kept, fetched again in the background. */
import { GatewayError, toGatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError } from '../../protocols/failure.ts';
import { fields, text } from '../../protocols/json.ts';
import type { Http } from '../http.ts';
import { nextPageOf, parseListing } from '../listing.ts';
import type { ListedModel } from '../listing/model.ts';
import type { Provider } from '../provider.ts';

/** Milliseconds. */
export interface ListTimes {
  /** A list older than this is fetched again, while the old one is still shown. */
  readonly freshMs: number;
  /** After a failure, and before a list is asked again for a name that was not in it. */
  readonly pauseMs: number;
  /** How long a first answer may wait for the list. */
  readonly patienceMs: number;
}

export const LIST_TIMES: ListTimes = { freshMs: 15 * 60_000, pauseMs: 60_000, patienceMs: 5000 };

export interface ListedModels {
  /** The list by id, or undefined while there is none: the provider has none, or is down. */
  get(): Promise<ReadonlyMap<string, ListedModel> | undefined>;
  /** The same, but asked for anew unless that was just done. */
  again(): Promise<ReadonlyMap<string, ListedModel> | undefined>;
}

export interface ListParts {
  readonly http: Http;
  readonly times: ListTimes;
  readonly now: () => number;
  /** Takes the secrets of this provider out of an error that it sent. */
  readonly scrub: (error: GatewayError) => GatewayError;
  /** Told of a list that could not be had. */
  readonly failed: (provider: string, error: GatewayError) => void;
  /** Ends with the server. */
  readonly signal: AbortSignal;
}

const MOST_PAGES = 50;
const LARGEST_LIST = 32 * 1024 * 1024;

export function createListedModels(provider: Provider, parts: ListParts): ListedModels {
  const { times, now } = parts;
  let known: ReadonlyMap<string, ListedModel> | undefined;
  let fetchedAt = -Infinity;
  let triedAt = -Infinity;
  let running: Promise<void> | undefined;

  const refresh = (): Promise<void> => {
    running ??= fetchList(provider, parts)
      .then(
        (models) => {
          known = models;
          fetchedAt = now();
        },
        (cause: unknown) => parts.failed(provider.id, parts.scrub(toGatewayError(cause))),
      )
      .finally(() => {
        running = undefined;
      });
    triedAt = now();
    return running;
  };
  const mayTry = (): boolean => now() - triedAt >= times.pauseMs;

  return {
    async get() {
      if (!provider.listing) return undefined;
      if (known && now() - fetchedAt < times.freshMs) return known;
      const work = running ?? (mayTry() ? refresh() : undefined);
      if (!known && work) await atMost(work, times.patienceMs);
      return known;
    },
    async again() {
      if (!provider.listing) return undefined;
      const work = running ?? (mayTry() ? refresh() : undefined);
      if (work) await atMost(work, times.patienceMs);
      return known;
    },
  };
}

async function atMost(work: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

/**
 * Asks for the list now, all of its pages. Rejects with the signal's reason or a GatewayError: `reported` with the status where
 * the provider refused.
 */
export async function fetchList(provider: Provider, parts: Pick<ListParts, 'http' | 'signal'>): Promise<ReadonlyMap<string, ListedModel>> {
  const { listing } = provider;
  const models = new Map<string, ListedModel>();
  if (!listing) return models;
  let url: string | undefined = /^https?:/.test(listing.path) ? listing.path : provider.baseUrl + listing.path;
  for (let page = 0; url !== undefined && page < MOST_PAGES; page++) {
    const body = await fetchPage(provider, url, parts);
    for (const model of parseListing(listing.as, body)) if (!models.has(model.id)) models.set(model.id, model);
    url = nextPageOf(listing.as, body, url);
  }
  return models;
}

async function fetchPage(provider: Provider, url: string, { http, signal }: Pick<ListParts, 'http' | 'signal'>): Promise<unknown> {
  const call = { method: 'GET', url, headers: { accept: 'application/json', ...provider.headers }, body: '' } as const;
  const proof = await provider.authorize(call, signal);
  const answer = await http.send({ ...call, headers: { ...call.headers, ...proof } }, { timeouts: provider.timeouts, signal });
  const given = await answer.text(LARGEST_LIST);
  const { status } = answer;
  if (status !== 200) {
    throw reportedError({ status, message: `the list of models was answered with status ${status}: ${wordsOf(given)}` });
  }
  const body = jsonOf(given);
  if (body === undefined) throw new GatewayError('upstream', 'the list of models is no JSON');
  return body;
}

/** What an error's body says, however the provider words errors. */
function wordsOf(body: string): string {
  const said = fields([jsonOf(body)].flat()[0]);
  const { error } = said;
  return text(fields(error).message) ?? text(error) ?? text(said.message) ?? text(said.detail) ?? plainMessage(body);
}
