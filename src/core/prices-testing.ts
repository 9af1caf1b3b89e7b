/** For tests: a price of every kind, each another. */
import type { Pricing } from './call.ts';

export const EVERY_PRICE: Required<Omit<Pricing, 'binding'>> = {
  input: 1,
  output: 2,
  cachedInput: 3,
  cacheWrite: 4,
  cacheWriteLong: 5,
  reasoning: 6,
  inputAudio: 7,
  cachedAudio: 8,
  outputAudio: 9,
  inputImage: 10,
  outputImage: 11,
  request: 0.01,
  tiers: [{ above: 200_000, input: 12, cacheWriteLong: 14, outputImage: 13 }],
  serviceTiers: {
    flex: { input: 0.5, output: 1, tiers: [{ above: 200_000, input: 6 }] },
    priority: { input: 2.5, output: 5, reasoning: 7.5 },
  },
  tools: { web_search: 10 },
  toolRequests: { maps: 25 },
};
