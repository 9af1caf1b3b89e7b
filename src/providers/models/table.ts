/**
 * What is known of the well-known models, whoever serves them: limits, and what requests may ask for.
 *
 * Figures are as of November 2026, from the makers' pages where those say them, and many from the tables of LiteLLM 1.109,
 * pi-catalog 18.2 and models.dev; where sources differ the maker's page counts, where none says anything the figure is left
 * out. Prices are not here but in `prices.ts`.
 */
import type { Capabilities } from '../../core/call.ts';
import { namesOf } from './names.ts';
import { ANTHROPIC_MODELS } from './table-anthropic.ts';
import { GOOGLE_MODELS } from './table-google.ts';
import { OPEN_MODELS } from './table-open.ts';
import { OPENAI_MODELS } from './table-openai.ts';
import { OTHER_MODELS } from './table-others.ts';

/**
 * Names in one spelling (`canonicalName`), divided by spaces; context window and most tokens of one answer, 0 where
 * unknown; and what they can do, a letter each:
 *
 * - `T` call tools, `S` hold to a JSON schema natively, `R` reason, `L` give log probabilities
 * - `I` `A` `V` `F` take images, audio, video, files; `a` `i` answer with audio, images
 *
 * A letter that is missing is a no, but for `L`: it is then unknown.
 */
export type Entry = readonly [names: string, contextWindow: number, maxOutputTokens: number, can: string];

export interface Family {
  readonly ownedBy: string;
  /**
   * Rows of the catalog where the limits hold; everywhere where absent. Weights that anybody may serve are served with
   * whatever limits the host likes.
   */
  readonly limitsAt?: readonly string[];
  readonly models: readonly Entry[];
}

export interface TableFacts {
  readonly ownedBy: string;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly capabilities: Capabilities;
}

const FAMILIES: readonly Family[] = [...OPENAI_MODELS, ...ANTHROPIC_MODELS, ...GOOGLE_MODELS, ...OPEN_MODELS, ...OTHER_MODELS];

const byName: ReadonlyMap<string, { readonly family: Family; readonly entry: Entry }> = new Map(
  FAMILIES.flatMap((family) => family.models.flatMap((entry) => entry[0].split(' ').map((name) => [name, { family, entry }] as const))),
);

/** What the table knows of a model as it is served by the provider of that row; nothing where its name is not there. */
export function tableFacts(row: string | undefined, model: string): TableFacts | undefined {
  for (const name of namesOf(model)) {
    const found = byName.get(name);
    if (found !== undefined) return factsIn(found.family, found.entry, row);
  }
  return undefined;
}

function factsIn(family: Family, entry: Entry, row: string | undefined): TableFacts {
  const [, contextWindow, maxOutputTokens, can] = entry;
  const limited = family.limitsAt === undefined || (row !== undefined && family.limitsAt.includes(row));
  return {
    ownedBy: family.ownedBy,
    ...(limited && contextWindow > 0 ? { contextWindow } : {}),
    ...(limited && maxOutputTokens > 0 ? { maxOutputTokens } : {}),
    capabilities: capabilitiesOf(can),
  };
}

const INPUTS: readonly (readonly [letter: string, modality: string])[] = [
  ['I', 'image'],
  ['A', 'audio'],
  ['V', 'video'],
  ['F', 'file'],
];

function capabilitiesOf(can: string): Capabilities {
  const has = (letter: string) => can.includes(letter);
  return {
    tools: has('T'),
    structuredOutput: has('S'),
    reasoning: has('R'),
    ...(has('L') ? { logprobs: true } : {}),
    inputModalities: ['text', ...INPUTS.flatMap(([letter, modality]) => (has(letter) ? [modality] : []))],
    outputModalities: ['text', ...(has('a') ? ['audio'] : []), ...(has('i') ? ['image'] : [])],
  };
}

/** Every name in the table, for tests of the table itself. */
export function tableNames(): readonly string[] {
  return FAMILIES.flatMap((family) => family.models.flatMap((entry) => entry[0].split(' ')));
}
