/** What an answer cost and why it ended, in the neutral model's words. */
import type { StopReason, Usage } from '../../core/chat.ts';
import { count, fields } from '../json.ts';

/**
 * The API counts what was read from and written to the cache apart from the rest of the prompt. Fields that are null
 * are not given. Undefined where nothing was counted.
 */
export function usageOf(usage: Readonly<Record<string, unknown>>): Usage | undefined {
  const input = count(usage.input_tokens);
  const output = count(usage.output_tokens);
  if (input === undefined && output === undefined) return undefined;
  const read = count(usage.cache_read_input_tokens) ?? 0;
  const written = count(usage.cache_creation_input_tokens);
  const long = count(fields(usage.cache_creation).ephemeral_1h_input_tokens);
  const tools = serverTools(usage.server_tool_use);
  return {
    promptTokens: (input ?? 0) + read + (written ?? 0),
    completionTokens: output ?? 0,
    cachedTokens: read,
    reasoningTokens: count(fields(usage.output_tokens_details).thinking_tokens) ?? 0,
    ...(written === undefined ? {} : { cacheWriteTokens: written }),
    ...(long === undefined ? {} : { cacheWriteLongTokens: long }),
    ...(tools ? { providerTools: tools } : {}),
  };
}

/** `{ web_search_requests: 2 }` as `{ web_search: 2 }`; tools that did not run are left out. */
function serverTools(given: unknown): Readonly<Record<string, number>> | undefined {
  const run = Object.entries(fields(given)).flatMap(([key, value]) => {
    const times = count(value);
    return times && key.endsWith('_requests') ? [[key.slice(0, -'_requests'.length), times] as const] : [];
  });
  return run.length > 0 ? Object.fromEntries(run) : undefined;
}

/** The class of service in the contract's words; undefined where it has none for it. */
export function tierOf(usage: Readonly<Record<string, unknown>>): string | undefined {
  if (usage.service_tier === 'standard') return 'default';
  return usage.service_tier === 'priority' ? 'priority' : undefined;
}

/** Reasons that nobody knows yet are an end like any other. */
export function stopReason(reason: unknown): StopReason {
  switch (reason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'tool_use':
      return 'tool_calls';
    case 'refusal':
      return 'content_filter';
    case 'pause_turn':
      return 'pause';
    default:
      return 'stop';
  }
}
