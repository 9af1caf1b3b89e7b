/** Tokens, tiers and log probabilities, in the neutral model's terms. */
import type { TokenLogprob, TopLogprob, Usage } from '../../core/chat.ts';
import { count, entry, fields, list, text } from '../json.ts';

/**
 * `usageMetadata`; undefined where it counts nothing (the first chunks of Vertex AI hold no more than `trafficType`).
 * The prompt's count leaves out what tools of the provider put in, the candidates' count leaves out the thoughts: both
 * are added, as Google's own total does.
 */
export function readUsage(metadata: unknown): Usage | undefined {
  const usage = fields(metadata);
  const prompt = count(usage['promptTokenCount']);
  const candidates = count(usage['candidatesTokenCount']);
  const total = count(usage['totalTokenCount']);
  if (prompt === undefined && candidates === undefined && total === undefined) return undefined;
  const reasoningTokens = count(usage['thoughtsTokenCount']) ?? 0;
  const { AUDIO: promptAudio, IMAGE: promptImage } = modalities(usage['promptTokensDetails']);
  const { AUDIO: completionAudio, IMAGE: completionImage } = modalities(usage['candidatesTokensDetails']);
  return {
    promptTokens: (prompt ?? 0) + (count(usage['toolUsePromptTokenCount']) ?? 0),
    completionTokens: (candidates ?? 0) + reasoningTokens,
    cachedTokens: count(usage['cachedContentTokenCount']) ?? 0,
    reasoningTokens,
    ...(promptAudio === undefined ? {} : { promptAudioTokens: promptAudio }),
    ...(completionAudio === undefined ? {} : { completionAudioTokens: completionAudio }),
    ...(promptImage === undefined ? {} : { promptImageTokens: promptImage }),
    ...(completionImage === undefined ? {} : { completionImageTokens: completionImage }),
  };
}

/** Tokens of those that have a price of their own. */
function modalities(details: unknown): { readonly AUDIO?: number; readonly IMAGE?: number } {
  const known: { AUDIO?: number; IMAGE?: number } = {};
  for (const { modality, tokenCount } of list(details).map(fields)) {
    const tokens = count(tokenCount);
    if (tokens !== undefined && (modality === 'AUDIO' || modality === 'IMAGE')) known[modality] = tokens;
  }
  return known;
}

const TIERS: Readonly<Record<string, string>> = {
  standard: 'default',
  flex: 'flex',
  priority: 'priority',
  ON_DEMAND: 'default',
  ON_DEMAND_FLEX: 'flex',
  ON_DEMAND_PRIORITY: 'priority',
  PROVISIONED_THROUGHPUT: 'scale',
};

/** The tier that served the request, in the contract's words; undefined where none is told. */
export function readTier(metadata: unknown): string | undefined {
  const { serviceTier, trafficType } = fields(metadata);
  return entry(TIERS, text(serviceTier)?.toLowerCase()) ?? entry(TIERS, text(trafficType));
}

/** `logprobsResult`: the chosen tokens, each with the alternatives at its place; undefined where there are none. */
export function readLogprobs(result: unknown): readonly TokenLogprob[] | undefined {
  const { chosenCandidates, topCandidates } = fields(result);
  const tops = list(topCandidates);
  const chosen = list(chosenCandidates).flatMap((one, at): TokenLogprob[] => {
    const top = list(fields(tops[at])['candidates']).flatMap(readToken);
    return readToken(one).map((token) => ({ ...token, top }));
  });
  return chosen.length > 0 ? chosen : undefined;
}

const utf8 = new TextEncoder();

function readToken(value: unknown): TopLogprob[] {
  const { token, logProbability } = fields(value);
  const spelled = text(token);
  if (spelled === undefined || typeof logProbability !== 'number') return [];
  // a token that is part of a character is told as a replacement character
  return [{ token: spelled, logprob: logProbability, bytes: spelled.includes('\ufffd') ? null : [...utf8.encode(spelled)] }];
}
