/** What an answer cost, as far as the provider says. */
import type { Usage } from '../../core/chat.ts';
import { count, entry, fields, text } from '../json.ts';

/** Items of tools that the provider runs itself, and what the tool is called. */
const TOOLS: Readonly<Record<string, string>> = {
  web_search_call: 'web_search',
  file_search_call: 'file_search',
  code_interpreter_call: 'code_interpreter',
  image_generation_call: 'image_generation',
  mcp_call: 'mcp',
  x_search_call: 'x_search',
  document_search_call: 'document_search',
  collections_search_call: 'collections_search',
  // a shell of the client's has no output in the answer
  shell_call_output: 'shell',
};

/** The tool that made this item, where running it may cost something: opening a page that a search found does not. */
export function countedTool(item: Readonly<Record<string, unknown>>): string | undefined {
  const type = text(item.type) ?? '';
  if (type === 'web_search_call') {
    const action = text(fields(item.action).type) ?? 'search';
    return action === 'search' ? entry(TOOLS, type) : undefined;
  }
  return entry(TOOLS, type) ?? (type === 'custom_tool_call' ? text(item.name) : undefined);
}

/** Ticks, in which the charge of `cost_in_usd_ticks` is counted: https://docs.x.ai/developers/cost-tracking */
const TICKS_PER_DOLLAR = 10_000_000_000;

/**
 * Undefined where the answer has no token counts. `counted` are the runs seen among the items; where the provider
 * gives numbers of its own, those that it charges for, they count.
 */
export function readUsage(response: Readonly<Record<string, unknown>>, counted: Readonly<Record<string, number>>): Usage | undefined {
  const usage = fields(response.usage);
  const promptTokens = count(usage.input_tokens);
  const completionTokens = count(usage.output_tokens);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  const input = fields(usage.input_tokens_details);
  const output = fields(usage.output_tokens_details);
  const written = count(input.cache_write_tokens) ?? count(input.cache_creation_input_tokens);
  const heard = count(input.audio_tokens);
  const spoken = count(output.audio_tokens);
  const seen = count(input.image_tokens);
  const drawn = count(output.image_tokens);
  const ticks = count(usage.cost_in_usd_ticks);
  const cost = ticks === undefined ? count(fields(usage.cost).total_cost) : ticks / TICKS_PER_DOLLAR;
  const tools = chargedTools(response, counted);
  return {
    promptTokens,
    completionTokens,
    cachedTokens: count(input.cached_tokens) ?? count(input.cache_read_input_tokens) ?? 0,
    reasoningTokens: count(output.reasoning_tokens) ?? 0,
    ...(written === undefined ? {} : { cacheWriteTokens: written }),
    ...(heard === undefined ? {} : { promptAudioTokens: heard }),
    ...(spoken === undefined ? {} : { completionAudioTokens: spoken }),
    ...(seen === undefined ? {} : { promptImageTokens: seen }),
    ...(drawn === undefined ? {} : { completionImageTokens: drawn }),
    ...(Object.keys(tools).length > 0 ? { providerTools: tools } : {}),
    ...(cost === undefined ? {} : { reportedCost: cost }),
  };
}

/** Names of tools in `tool_calls_details`. */
const PERPLEXITYS: Readonly<Record<string, string>> = { search_web: 'web_search' };

function chargedTools(
  response: Readonly<Record<string, unknown>>,
  counted: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const details = fields(response.usage).server_side_tool_usage_details;
  if (typeof details === 'object' && details !== null) {
    const told = Object.entries(fields(details)).map(([name, times]) => [name.replace(/_calls$/, ''), count(times) ?? 0] as const);
    return withoutZeros(told);
  }
  const calls = fields(response.usage).tool_calls_details;
  if (typeof calls === 'object' && calls !== null) {
    const told = Object.entries(fields(calls)).map(
      ([name, run]) => [entry(PERPLEXITYS, name) ?? name, count(fields(run).invocation) ?? 0] as const,
    );
    return withoutZeros(told);
  }
  const searches = count(fields(fields(response.tool_usage).web_search).num_requests);
  return withoutZeros(Object.entries(searches === undefined ? counted : { ...counted, web_search: searches }));
}

function withoutZeros(entries: readonly (readonly [string, number])[]): Readonly<Record<string, number>> {
  return Object.fromEntries(entries.filter(([, times]) => times > 0));
}
