/** Reads what providers say of their models. Takes anything; what it cannot read is not there. */
import { fields, list, text } from '../protocols/json.ts';
import { chatsByName, readAnthropic, readBedrock, readCohere, readGemini } from './listing/formats.ts';
import { readOpenAI } from './listing/openai.ts';
import type { ListedModel } from './listing/model.ts';
import type { Listing } from './row.ts';

export type { ListedModel } from './listing/model.ts';

type Format = Listing['as'];

const READERS: Readonly<Record<Format, (body: unknown) => readonly ListedModel[]>> = {
  openai: readOpenAI,
  anthropic: readAnthropic,
  gemini: readGemini,
  cohere: readCohere,
  bedrock: readBedrock,
};

/** The models of one page that can chat, each once: those that embed, speak, draw or judge are left out where one can tell. */
export function parseListing(as: Format, body: unknown): readonly ListedModel[] {
  const models = new Map<string, ListedModel>();
  for (const model of READERS[as](body)) {
    if (model.id !== '' && !models.has(model.id) && chatsByName(model.id)) models.set(model.id, model);
  }
  return [...models.values()];
}

/** Where the next page is, from a page and its address; nothing after the last one. */
export function nextPageOf(as: Format, body: unknown, url: string): string | undefined {
  const said = fields(body);
  switch (as) {
    case 'anthropic':
      return said.has_more === true ? withQuery(url, 'after_id', text(said.last_id) ?? text(fields(list(said.data).at(-1)).id)) : undefined;
    case 'gemini':
      return withQuery(url, 'pageToken', text(said.nextPageToken));
    case 'cohere':
      return withQuery(url, 'page_token', text(said.next_page_token));
    case 'bedrock':
      return nextOfBedrock(said, url);
    case 'openai':
      return undefined;
  }
}

/** Foundation models come on one page; what they are called by, where that is not their own id, is another list. */
function nextOfBedrock(said: Readonly<Record<string, unknown>>, url: string): string | undefined {
  if (/\/foundation-models(\?|$)/.test(url)) return url.replace(/\/foundation-models.*$/, '/inference-profiles?maxResults=1000');
  return withQuery(url, 'nextToken', text(said.nextToken));
}

function withQuery(url: string, name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '' || !URL.canParse(url)) return undefined;
  const next = new URL(url);
  if (next.searchParams.get(name) === value) return undefined;
  next.searchParams.set(name, value);
  return next.href;
}
