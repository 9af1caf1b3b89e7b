/** A model as its provider lists it. */
import type { Capabilities, Pricing } from '../../core/call.ts';
import { count, entry } from '../../protocols/json.ts';

/** What the list does not say is absent. */
export interface ListedModel {
  /** The provider's own name, by which it is called. */
  readonly id: string;
  /** For people. */
  readonly name?: string;
  /** Unix seconds. */
  readonly created?: number;
  readonly ownedBy?: string;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  /** Empty where it says nothing of them. */
  readonly capabilities: Capabilities;
  readonly pricing?: Pricing;
}

/** The same record without the fields that have no value. */
export function known<Fields extends object>(fields: Fields): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: Exclude<Fields[Name], undefined>;
  };
}

/** The first number of tokens above zero: zero and nonsense stand for unknown in such lists. */
export function firstTokens(...values: readonly unknown[]): number | undefined {
  return values.map(count).find((tokens) => tokens !== undefined && tokens >= 1 && Number.isInteger(tokens));
}

/** Unix seconds from seconds, milliseconds or a date's text. */
export function seconds(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Date.parse(value) / 1000 : count(value);
  if (number === undefined || !Number.isFinite(number) || number <= 0) return undefined;
  return Math.floor(number > 1e11 ? number / 1000 : number);
}

/** `text`, `image`, `audio`, `video`, `file`, whatever a list calls them; others are left out. */
export function modalities(values: readonly unknown[]): readonly string[] | undefined {
  const named = values.flatMap((value) => entry(MODALITIES, String(value).toLowerCase()) ?? []);
  return named.length > 0 ? [...new Set(named)] : undefined;
}

const MODALITIES: Readonly<Record<string, string>> = {
  text: 'text',
  image: 'image',
  images: 'image',
  audio: 'audio',
  speech: 'audio',
  video: 'video',
  file: 'file',
  pdf: 'file',
  document: 'file',
};
