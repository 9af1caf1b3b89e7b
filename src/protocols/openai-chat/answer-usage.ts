/** Token counts as the many providers of this protocol report them. */
import type { Usage } from '../../core/chat.ts';
import { count, entry, fields, list, text } from '../json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** xAI's unit of money: so many of them are a US dollar. */
const TICKS_A_DOLLAR = 1e10;

/**
 * The usage that a chunk or a whole answer reports, or undefined where it has none: at its top, under `x_groq`, or in its
 * choice (Moonshot). `null` is none.
 */
export function usageIn(body: Fields): Fields | undefined {
  if (isObject(body['usage'])) return body['usage'];
  const apart = body['x_groq'] === undefined ? undefined : fields(body['x_groq'])['usage'];
  if (isObject(apart)) return apart;
  for (const choice of list(body['choices'])) {
    const own = fields(choice)['usage'];
    if (isObject(own)) return own;
  }
  return undefined;
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Undefined where the counts that make up the total are missing. */
export function readUsage(reported: Fields, providerTools?: Readonly<Record<string, number>>): Usage | undefined {
  const promptTokens = count(reported['prompt_tokens']);
  const completion = count(reported['completion_tokens']) ?? (promptTokens === undefined ? undefined : 0);
  if (promptTokens === undefined || completion === undefined) return undefined;
  const prompt = fields(reported['prompt_tokens_details']);
  const details = fields(reported['completion_tokens_details']);
  const reasoningTokens = count(details['reasoning_tokens']) ?? count(reported['reasoning_tokens']) ?? 0;
  const total = count(reported['total_tokens']);
  // xAI counts reasoning beside the completion; only then do all three make the total
  const beside = reasoningTokens > 0 && total === promptTokens + completion + reasoningTokens;
  // Moonshot has been seen to count one token less than the reasoning alone; its total counts them all
  const within = reasoningTokens > completion && total !== undefined && total - promptTokens >= reasoningTokens;
  const cached = count(prompt['cached_tokens']) ?? count(reported['cached_tokens']) ?? count(reported['prompt_cache_hit_tokens']) ?? 0;
  const tools = toolRuns(reported, providerTools);
  const writes = fields(prompt['cache_creation'] ?? prompt['cache_creation_token_details']);
  const usage: Writable<Usage> = {
    promptTokens,
    completionTokens: beside ? completion + reasoningTokens : within ? total - promptTokens : completion,
    cachedTokens: cached,
    reasoningTokens,
  };
  note(usage, 'cacheWriteTokens', count(prompt['cache_write_tokens']) ?? count(prompt['cache_creation_input_tokens']));
  note(usage, 'cacheWriteLongTokens', count(writes['ephemeral_1h_input_tokens']));
  note(usage, 'promptAudioTokens', count(prompt['audio_tokens']));
  note(usage, 'completionAudioTokens', count(details['audio_tokens']));
  note(usage, 'promptImageTokens', count(prompt['image_tokens']));
  note(usage, 'completionImageTokens', count(details['image_tokens']));
  note(usage, 'acceptedPredictionTokens', count(details['accepted_prediction_tokens']));
  note(usage, 'rejectedPredictionTokens', count(details['rejected_prediction_tokens']));
  if (tools) usage.providerTools = tools;
  note(usage, 'reportedCost', reportedCost(reported));
  return usage;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function note(usage: Writable<Usage>, name: Exclude<keyof Usage, 'providerTools'>, value: number | undefined): void {
  if (value !== undefined) usage[name] = value;
}

/**
 * OpenRouter gives dollars, Perplexity an object with their sum, xAI ticks. Where OpenRouter used the administrator's own key of
 * a provider, its `cost` is its fee alone, and what that provider charges stands beside it.
 */
function reportedCost(reported: Fields): number | undefined {
  const { cost } = reported;
  const ticks = count(reported['cost_in_usd_ticks']);
  if (ticks !== undefined) return ticks / TICKS_A_DOLLAR;
  const dollars = count(cost) ?? (cost === undefined ? undefined : count(fields(cost)['total_cost']));
  if (dollars === undefined || reported['is_byok'] !== true) return dollars;
  return dollars + (count(fields(reported['cost_details'])['upstream_inference_cost']) ?? 0);
}

function toolRuns(reported: Fields, runs: Readonly<Record<string, number>> | undefined): Readonly<Record<string, number>> | undefined {
  const searches = count(reported['num_search_queries']) ?? count(fields(reported['server_tool_use'])['web_search_requests']) ?? 0;
  const sources = count(reported['num_sources_used']) ?? 0;
  if (!runs && searches === 0 && sources === 0) return undefined;
  const tools: Record<string, number> = { ...runs };
  if (searches > 0) tools['web_search'] = searches;
  if (sources > 0) tools['live_search_sources'] = sources;
  return Object.keys(tools).length > 0 ? tools : undefined;
}

/** Names that providers give to the tools which they run, in one spelling. */
const TOOL_NAMES: Readonly<Record<string, string>> = { search: 'web_search', browser_search: 'web_search', python: 'code_execution' };

/** Notes the tools that Groq's systems ran by themselves: each has an index, and comes again when it is done. */
export function noteExecuted(executed: readonly unknown[], seen: Map<unknown, string>): void {
  for (const [at, item] of executed.entries()) {
    const { type, index } = fields(item);
    const name = text(type);
    if (name !== undefined && name !== '') seen.set(index ?? at, entry(TOOL_NAMES, name) ?? name);
  }
}

export function countExecuted(seen: ReadonlyMap<unknown, string>): Readonly<Record<string, number>> {
  const times: Record<string, number> = {};
  for (const name of seen.values()) times[name] = (times[name] ?? 0) + 1;
  return times;
}
