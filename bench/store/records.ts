/** Records of usage such as a busy gateway has: few keys that do much, many that do little, some of them with end users. */
import type { Outcome, UsageRecord } from '../../src/gateway/accounts.ts';

export const DAY_MS = 86_400_000;
/** The records are of the days before this one. */
export const UNTIL = Date.UTC(2026, 9, 31);
export const DAYS = 90;
export const KEYS = 300;
const PROJECTS = 20;
export const END_USERS = 20_000;
const MODELS = 24;
const PROVIDERS = 6;

/** Numbers from 0 to below 1, always the same ones. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** `count` records in the order of their times, in batches. */
export function* recordsOf(count: number, batch: number): Generator<readonly UsageRecord[]> {
  const random = numbers(7);
  const start = UNTIL - DAYS * DAY_MS;
  const step = (DAYS * DAY_MS) / count;
  for (let at = 0; at < count; at += batch) {
    const size = Math.min(batch, count - at);
    yield Array.from({ length: size }, (_, more) => recordOf(Math.floor(start + (at + more) * step), random));
  }
}

/** Small numbers far more often than large ones. */
const skewed = (random: () => number, below: number): number => Math.floor(random() ** 3 * below);

function recordOf(at: number, random: () => number): UsageRecord {
  const key = skewed(random, KEYS);
  const model = skewed(random, MODELS);
  const provider = `provider-${model % PROVIDERS}`;
  const promptTokens = skewed(random, 20_000);
  const completionTokens = skewed(random, 4_000);
  const luck = random();
  const outcome: Outcome = luck < 0.96 ? 'ok' : luck < 0.98 ? 'error' : luck < 0.999 ? 'cancelled' : 'lost';
  const requestId = `req_${hex(random)}${hex(random)}${hex(random)}`;
  return {
    id: `${requestId}:1`,
    requestId,
    attempt: random() < 0.98 ? 1 : 2,
    at,
    keyId: keyName(key),
    projectId: projectName(key % PROJECTS),
    endUser: random() < 0.4 ? userName(skewed(random, END_USERS)) : undefined,
    modelAsked: `model-${model}`,
    model: `${provider}/model-${model}`,
    provider,
    promptTokens,
    completionTokens,
    cachedTokens: Math.floor(promptTokens * random()),
    cacheWriteTokens: 0,
    cacheWriteLongTokens: 0,
    reasoningTokens: Math.floor(completionTokens * random()),
    audioTokens: 0,
    completionAudioTokens: 0,
    imageTokens: 0,
    completionImageTokens: 0,
    estimated: luck > 0.98,
    costNanos: BigInt(promptTokens * 150 + completionTokens * 600),
    unpriced: false,
    stream: random() < 0.7,
    cache: undefined,
    outcome,
    status: outcome === 'error' ? 502 : 200,
    errorKind: outcome === 'error' ? 'upstream' : undefined,
    queueMs: 0,
    firstOutputMs: 100 + skewed(random, 2_000),
    totalMs: 500 + skewed(random, 20_000),
  };
}

const hex = (random: () => number): string =>
  Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
export const keyName = (at: number): string => `key_${String(at).padStart(20, '0')}`;
export const projectName = (at: number): string => `proj_${String(at).padStart(20, '0')}`;
export const userName = (at: number): string => `user-${String(at).padStart(12, '0')}`;
