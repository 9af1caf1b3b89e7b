/** Anthropic's models. Notation and sources: `table.ts`. */
import type { Family } from './table.ts';

export const ANTHROPIC_MODELS: readonly Family[] = [
  {
    ownedBy: 'anthropic',
    models: [
      ['claude-haiku-3', 200_000, 4_096, 'TI'],
      ['claude-opus-3', 200_000, 4_096, 'TIF'],
      ['claude-sonnet-3', 200_000, 4_096, 'TI'],
      ['claude-sonnet-3-5 claude-haiku-3-5', 200_000, 8_192, 'TIF'],
      ['claude-sonnet-3-7', 200_000, 64_000, 'TRIF'],
      ['claude-sonnet-4', 200_000, 64_000, 'TRIF'],
      ['claude-opus-4', 200_000, 32_000, 'TRIF'],
      ['claude-opus-4-1', 200_000, 32_000, 'TSRIF'],
      ['claude-sonnet-4-5 claude-haiku-4-5 claude-opus-4-5', 200_000, 64_000, 'TSRIF'],
      ['claude-sonnet-4-6 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8', 1_000_000, 128_000, 'TSRIF'],
      ['claude-sonnet-5 claude-sonnet-5-5 claude-haiku-5-5 claude-opus-5 claude-opus-5-5', 1_000_000, 128_000, 'TSRIF'],
      ['claude-fable-5 claude-fable-5-1 claude-mythos-5 claude-mythos-5-1 claude-mythos', 1_000_000, 128_000, 'TSRIF'],
    ],
  },
];
