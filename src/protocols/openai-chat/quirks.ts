/** How providers that speak chat completions deviate from OpenAI's own API, as fields of a catalog row. */
import type { Json, ReasoningEffort, Role } from '../../core/chat.ts';

/** Fields of a request body, ready to be written into it. */
export type BodyFields = Readonly<Record<string, Json>>;

export interface OpenAIChatQuirks {
  /**
   * What it answers holds the contract word for word: frames and bodies pass unchanged, but for the model's name.
   * Only for providers whose recorded answers prove it.
   */
  readonly faithful?: boolean;

  // --- where and how a request is sent ---

  /**
   * Path behind the base URL, `/chat/completions` where absent; `{model}` in it is the provider's name of the model,
   * URL-encoded. A query that the base URL ends with (`?api-version=…`) stays at the end.
   */
  readonly path?: string;
  /** Parameters of the query: `{ 'api-version': '2024-10-21' }`. */
  readonly query?: Readonly<Record<string, string>>;
  /** Answers requests with `n` above 1; true where absent. */
  readonly severalChoices?: boolean;
  /** Fetches images by their http(s) URL; true where absent. */
  readonly imageUrls?: boolean;
  /** Knows `stream_options`; true where absent. Without it the provider reports usage unasked, or not at all. */
  readonly streamOptions?: boolean;
  /** Pads its streams unless it is told not to. It is told, unless the client asks for the padding. */
  readonly pads?: boolean;

  // --- fields of the request ---

  /** Spelling of the token limit; as the client wrote it where absent. */
  readonly maxTokens?: 'max_tokens' | 'max_completion_tokens';
  /** The only top-level fields that it takes (in OpenAI's spelling, or its own where the client uses that); others are left out. */
  readonly accepts?: readonly string[];
  /** Top-level fields that it refuses; they are left out. */
  readonly refuses?: readonly string[];
  /** Top-level fields by other names: `{ seed: 'random_seed' }`. */
  readonly renames?: Readonly<Record<string, string>>;
  /** Least and greatest values that it takes for a numeric field: `{ temperature: { max: 1 } }`. Values beyond are moved to the end. */
  readonly ranges?: Readonly<Record<string, { readonly min?: number; readonly max?: number }>>;
  /** Values that it takes of a field; others are left out: `{ service_tier: ['auto', 'flex'] }`. */
  readonly values?: Readonly<Record<string, readonly Json[]>>;
  /** Fields that every request gets which has none of that name. */
  readonly defaults?: BodyFields;
  /** How many stop strings it takes; 4 where absent, 0 for none. We stop at the rest. */
  readonly stopStrings?: number;

  // --- messages ---

  /** Knows the role `developer`; true where absent. Else it is `system`. */
  readonly developerRole?: boolean;
  /** Roles whose text parts are joined to one string. Parts that are no text stay parts. */
  readonly joinsText?: readonly Role[];
  /** Takes `name` on messages; true where absent. */
  readonly names?: boolean;
  /** Takes an assistant's turn whose content is null; true where absent. Else it is an empty string. */
  readonly nullContent?: boolean;
  /** Kinds of parts that it takes beside text and refusals; all of them where absent. Requests with others are refused. */
  readonly parts?: readonly ('image_url' | 'input_audio' | 'file')[];
  /** Takes an earlier answer with fields that say nothing to it (`refusal`, `annotations`, `audio`); true where absent. */
  readonly echoes?: boolean;
  /** Demands instructions first, all in one message, and turns of user and assistant that alternate after them. */
  readonly alternates?: boolean;
  /** Field that marks a last turn of the assistant as the beginning of the answer: `prefix`, `partial`. */
  readonly prefill?: string;
  /**
   * Form of marks for the prompt cache. Where absent the client's `prompt_cache_breakpoint` passes and its `cache_control`
   * does not; `none` takes out both, the others translate.
   */
  readonly cacheMarks?: 'cache_control' | 'prompt_cache_breakpoint' | 'none';
  /**
   * The form in which it wants earlier reasoning back; it gets none where absent. `fillEmpty`: on turns with tool calls
   * the field must be there, empty where there was no reasoning.
   */
  readonly reasoningBack?: {
    readonly as: 'reasoning_content' | 'reasoning' | 'thinking_parts';
    /** Only on turns that called tools; on all turns where absent. */
    readonly onlyWithCalls?: boolean;
    readonly fillEmpty?: boolean;
  };
  /** Its reasoning comes in `reasoning_details` (with signatures), which it wants to see again unchanged. */
  readonly reasoningDetails?: boolean;
  /** Gives and takes `provider_state`, as this program does. */
  readonly providerState?: boolean;
  /** It wants ids of tool calls of exactly so many letters and digits; other ids are replaced, the same by the same. */
  readonly toolCallIdLength?: number;

  // --- tools and answers' formats ---

  /** Knows tools at all; true where absent. Else requests that need them are refused. */
  readonly tools?: boolean;
  /** Takes the older `functions`; true where absent. Else they are sent as tools. */
  readonly functions?: boolean;
  /** Knows custom tools; true where absent. Else they are sent as functions. */
  readonly customTools?: boolean;
  /** Knows `strict` on functions; true where absent. */
  readonly strictTools?: boolean;
  /** How `required` is spelled; `false` where there is no such choice: then it is `auto`. */
  readonly requiredChoice?: string | false;
  /** Heeds `none`; true where absent. Else no tools are sent then. */
  readonly noneChoice?: boolean;
  /** Takes the name of a tool as the choice; true where absent. Else that tool is the only one sent, and required. */
  readonly namedChoice?: boolean;
  /** Knows `allowed_tools`; true where absent. Else only those tools are sent. */
  readonly allowedTools?: boolean;
  /** Keywords of JSON Schema that it refuses in tools and in formats; they are taken out. */
  readonly schemaKeywords?: { readonly refused: readonly string[] };
  /**
   * What is done with `json_schema`; `native` where absent. `tool`: the model is made to call a tool whose arguments are
   * the answer. `json_object`: the mode of that name, and the schema in a system message.
   */
  readonly jsonSchema?: 'native' | 'tool' | 'json_object';
  /** What is done with `json_object`; `native` where absent. `json_schema`: a schema of any object. `none`: left out. */
  readonly jsonObject?: 'native' | 'json_schema' | 'none';
  /** Takes a format beside tools; true where absent. Else the answer is a tool itself. */
  readonly formatWithTools?: boolean;
  /**
   * What each level of `reasoning_effort` writes into the body in place of it; a level without an entry is left out.
   * Fields that the client gave itself win. Sent as it is where absent.
   */
  readonly efforts?: Readonly<Partial<Record<ReasoningEffort, BodyFields>>>;

  // --- what it answers ---

  /** Its content may begin with `<think>`. */
  readonly thinkTags?: boolean;
  /** Ends its streams without `[DONE]`: a finished choice is the end. */
  readonly omitsDone?: boolean;
}

/** What nearly all servers have in common that follow OpenAI's API without being OpenAI. */
export const FOLLOWER: OpenAIChatQuirks = Object.freeze({
  developerRole: false,
  customTools: false,
  allowedTools: false,
  functions: false,
  echoes: false,
  cacheMarks: 'none',
} as const);
