/** Google's models. Their windows are for the prompt alone. Notation and sources: `table.ts`. */
import type { Family } from './table.ts';

export const GOOGLE_MODELS: readonly Family[] = [
  {
    ownedBy: 'google',
    models: [
      ['gemini-1-5-flash gemini-1-5-flash-8b', 1_000_000, 8_192, 'TSIAVF'],
      ['gemini-1-5-pro', 2_000_000, 8_192, 'TSIAVF'],
      ['gemini-2-0-flash gemini-2-0-flash-001 gemini-2-0-flash-lite gemini-2-0-flash-lite-001', 1_048_576, 8_192, 'TSIAVF'],
      ['gemini-2-5-pro gemini-2-5-flash gemini-2-5-flash-lite', 1_048_576, 65_536, 'TSRIAVF'],
      ['gemini-2-5-flash-preview-09-2025 gemini-2-5-flash-lite-preview-09-2025', 1_048_576, 65_536, 'TSRIAVF'],
      ['gemini-2-5-flash-image', 32_768, 32_768, 'Ii'],
      ['gemini-2-5-computer-use-preview-10-2025', 131_072, 65_536, 'TRI'],
      ['gemini-3-pro gemini-3-flash gemini-3-1-pro gemini-3-1-pro-preview-customtools', 1_048_576, 65_536, 'TSRIAVF'],
      ['gemini-3-1-flash-lite gemini-3-5-flash gemini-3-5-flash-lite', 1_048_576, 65_536, 'TSRIAVF'],
      ['gemini-3-6-flash gemini-3-7-flash gemini-3-8-flash', 1_048_576, 65_536, 'TSRIAVF'],
      ['gemini-flash-latest gemini-flash-lite-latest gemini-pro-latest', 1_048_576, 65_536, 'TSRIAVF'],
      ['gemini-3-pro-image', 131_072, 32_768, 'RIFi'],
      ['gemini-3-1-flash-image gemini-3-1-flash-lite-image', 65_536, 65_536, 'Ii'],
      ['gemini-robotics-er-1-6 gemini-robotics-er-2', 131_072, 65_536, 'TSRIAVF'],
    ],
  },
  {
    ownedBy: 'google',
    limitsAt: ['google'],
    models: [
      ['gemma-3-1b', 32_768, 8_192, ''],
      ['gemma-3-4b gemma-3-12b gemma-3-27b', 131_072, 8_192, 'I'],
      ['gemma-4-26b-a4b gemma-4-31b', 262_144, 32_768, 'TSRI'],
    ],
  },
];
