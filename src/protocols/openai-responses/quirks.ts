/** How servers that speak the Responses API deviate from OpenAI's own, as fields of a catalog row. */

export interface OpenAIResponsesQuirks {
  // --- where a request is sent ---

  /** Path behind the base URL, `/responses` where absent. A query that the base URL ends with stays at the end. */
  readonly path?: string;
  /** Parameters of the query: `{ 'api-version': 'preview' }`. */
  readonly query?: Readonly<Record<string, string>>;

  // --- fields of the request ---

  /**
   * Fields of the Responses API that it refuses: top-level ones, and `text.verbosity`, `reasoning.effort`. They are left
   * out, and the client's fields that they came from are reported as ignored.
   */
  readonly refuses?: readonly string[];
  /** Its reasoning models refuse `temperature`, `top_p` and log probabilities while they reason (effort other than `none`). */
  readonly reasoningRefusesSampling?: boolean;
  /** The least that it takes for `max_output_tokens`; 16 where absent. A lower limit is raised to it, and reported. */
  readonly minOutputTokens?: number;
  /** The most that it takes for `top_logprobs`; 20 where absent. */
  readonly maxTopLogprobs?: number;

  // --- reasoning ---

  /** Hands out encrypted reasoning when asked to; true where absent. Else it is not asked. */
  readonly encryptedReasoning?: boolean;
  /**
   * It wants the plain text of earlier reasoning back, whoever wrote it: open models, whose reasoning is no secret. Else
   * reasoning goes back only where it came encrypted from this provider.
   */
  readonly plainReasoning?: boolean;
  /** The summary of its reasoning that reasoning models are asked for; `auto` where absent. `none`: not asked for. */
  readonly reasoningSummary?: 'auto' | 'concise' | 'detailed' | 'none';
  /** The ids of its items change from event to event: they are never sent back. */
  readonly unstableItemIds?: boolean;

  // --- messages ---

  /** Knows the role `developer`; true where absent. Else it is `system`. */
  readonly developerRole?: boolean;
  /** Fetches images by their http(s) URL; true where absent. */
  readonly imageUrls?: boolean;
  /** Kinds of parts that it takes beside text and refusals; both where absent. Requests with others are refused. */
  readonly parts?: readonly ('image' | 'file')[];
  /**
   * What becomes of marks for the prompt cache. Where absent the client's `prompt_cache_breakpoint` passes and its
   * `cache_control` does not; `prompt_cache_breakpoint` sends both in that form, `none` takes out both.
   */
  readonly cacheMarks?: 'prompt_cache_breakpoint' | 'none';

  /** Takes the format of the answer as `response_format`, the way chat completions have it, and of all formats `json_schema` only. */
  readonly schemaAsResponseFormat?: boolean;
  /** Takes back what its own tools did; true where absent. Else its history is messages, and calls of the client's tools. */
  readonly ownItems?: boolean;

  // --- tools ---

  /** Knows custom tools; true where absent. Else they are sent as functions. */
  readonly customTools?: boolean;
  /** Knows `allowed_tools`; true where absent. Else only those tools are sent. */
  readonly allowedTools?: boolean;
  /** Name of the tool that searches the web; `web_search` where absent, `none` where there is no such tool. */
  readonly webSearch?: 'web_search' | 'web_search_preview' | 'none';
}
