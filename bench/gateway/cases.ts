/** What is asked, and how the upstream answers. */
import { FORMATS, WORDS } from './answers.ts';
import type { Format } from './answers.ts';
import type { Content } from './requests.ts';

/** A whole completion; a stream as fast as it comes; one with a word every 20 ms; one that stays open. */
export type Answers = 'short' | 'stream' | 'paced' | 'held';

export interface Case {
  /** `short`, `short-anthropic`. */
  readonly id: string;
  readonly name: string;
  readonly content: Content;
  readonly answers: Answers;
  readonly format: Format;
  /** Words of an answer; 1 for what is not streamed. */
  readonly events: number;
}

/** Milliseconds between the words of paced streams. */
export const PACE_MS = 20;

const FORMAT_NAMES: Readonly<Record<Format, string>> = { openai: '', anthropic: ' → Anthropic', gemini: ' → Gemini' };

const KINDS: readonly { readonly id: string; readonly name: string; readonly content: Content; readonly answers: Answers }[] = [
  { id: 'short', name: 'short completion', content: 'short', answers: 'short' },
  { id: 'long', name: '100 kB of conversation', content: 'long', answers: 'short' },
  { id: 'tools', name: '20 tools', content: 'tools', answers: 'short' },
  { id: 'stream', name: 'stream of 200 words', content: 'stream', answers: 'stream' },
  { id: 'paced', name: 'a word every 20 ms', content: 'stream', answers: 'paced' },
  { id: 'held', name: 'open streams', content: 'stream', answers: 'held' },
];

export const CASES: readonly Case[] = FORMATS.flatMap((format) =>
  KINDS.filter(({ id }) => format === 'openai' || id !== 'held').map(({ id, name, content, answers }) => ({
    id: format === 'openai' ? id : `${id}-${format}`,
    name: `${name}${FORMAT_NAMES[format]}`,
    content,
    answers,
    format,
    events: content === 'stream' ? WORDS : 1,
  })),
);

/** The first part of the path, by which an upstream knows what to say. */
export const prefixOf = (answers: Answers): string => (answers === 'paced' ? `paced-${PACE_MS}` : answers);
