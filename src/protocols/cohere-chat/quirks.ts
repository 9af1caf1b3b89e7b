/** How hosts of Cohere's models deviate from Cohere's own v2 chat API, as fields of a catalog row. */
export interface CohereChatQuirks {
  /** Path behind the base URL; `/v2/chat` where absent. */
  readonly path?: string;
  /** Fetches images by their http(s) URL; true where absent. */
  readonly imageUrls?: boolean;
  /** Knows `thinking`; true where absent, but for models that are known not to reason. */
  readonly thinking?: boolean;
  /** Knows `tool_choice`; true where absent. Older models do not: nothing can be forced there. */
  readonly toolChoice?: boolean;
  /** Knows `strict_tools`; true where absent. */
  readonly strictTools?: boolean;
  /** Knows `logprobs`; true where absent. */
  readonly logprobs?: boolean;
  /** Its content may begin with `<think>`. */
  readonly thinkTags?: boolean;
}
