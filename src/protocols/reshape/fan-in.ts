/** Several answers to one request as the choices of one: for providers that give one answer at a time. */
import type { ChatResponse, Usage } from '../../core/chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';

/**
 * The answers' choices, one after the other; everything else but the usage is the first answer's. The usage is that of
 * all, and absent where one of them has none: a part would pass for the whole. Throws `upstream` without an answer.
 */
export function mergeChoices(responses: readonly ChatResponse[]): ChatResponse {
  const [first] = responses;
  if (!first) throw new GatewayError('upstream', 'None of the choices was answered.');
  return { ...first, choices: responses.flatMap(({ choices }) => choices), usage: sumUsage(responses.map(({ usage }) => usage)) };
}

const DETAILS = [
  'cacheWriteTokens',
  'cacheWriteLongTokens',
  'promptAudioTokens',
  'completionAudioTokens',
  'promptImageTokens',
  'completionImageTokens',
  'acceptedPredictionTokens',
  'rejectedPredictionTokens',
] as const;

/**
 * The sum of what several answers report, or undefined where one reports nothing. A detail is absent where it is absent
 * in all; what was charged, where it is absent in one. Each answer read the whole prompt, so prompts count as often as there
 * are answers.
 */
export function sumUsage(usages: readonly (Usage | undefined)[]): Usage | undefined {
  const known = usages.filter((usage) => usage !== undefined);
  if (known.length === 0 || known.length < usages.length) return undefined;
  const total = (key: 'promptTokens' | 'completionTokens' | 'cachedTokens' | 'reasoningTokens' | (typeof DETAILS)[number]): number =>
    known.reduce((sum, usage) => sum + (usage[key] ?? 0), 0);
  const details = DETAILS.filter((key) => known.some((usage) => usage[key] !== undefined)).map((key) => [key, total(key)] as const);
  const tools = sumTools(known);
  const costs = known.flatMap(({ reportedCost }) => reportedCost ?? []);
  const calls = known.reduce((sum, { calls: made = 1 }) => sum + made, 0);
  return {
    promptTokens: total('promptTokens'),
    completionTokens: total('completionTokens'),
    cachedTokens: total('cachedTokens'),
    reasoningTokens: total('reasoningTokens'),
    ...(calls > 1 ? { calls } : {}),
    ...Object.fromEntries(details),
    ...(tools ? { providerTools: tools } : {}),
    ...(costs.length === known.length ? { reportedCost: costs.reduce((sum, cost) => sum + cost, 0) } : {}),
  };
}

function sumTools(usages: readonly Usage[]): Readonly<Record<string, number>> | undefined {
  const all = usages.flatMap(({ providerTools }) => (providerTools ? Object.entries(providerTools) : []));
  if (usages.every(({ providerTools }) => providerTools === undefined)) return undefined;
  const sums = new Map<string, number>();
  for (const [name, runs] of all) sums.set(name, (sums.get(name) ?? 0) + runs);
  return Object.fromEntries(sums);
}

/**
 * Events of an answer with one choice as those of choice `choice` among several. `start` passes for choice 0 only; usage
 * and end are the caller's, who sums the one with `sumUsage` and sends the other when all are over. An error passes.
 * The caller sees to it that the events of choice 0 come first.
 */
export function renumber(events: readonly ChatEvent[], choice: number): ChatEvent[] {
  return events.flatMap((event): ChatEvent[] => {
    if ('choice' in event) return [{ ...event, choice }];
    if (event.type === 'start') return choice === 0 ? [event] : [];
    return event.type === 'error' ? [event] : [];
  });
}
