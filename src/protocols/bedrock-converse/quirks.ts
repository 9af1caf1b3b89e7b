/** How models deviate from what the Converse API says of all of them. Facts by family; the catalog says whose they are. */
import type { Json, ReasoningEffort } from '../../core/chat.ts';

/** How a model is told how much to think. */
export interface ReasoningQuirk {
  /**
   * - `budget`: `thinking: {type: 'enabled', budget_tokens}`; no sampling, no forced tool and no begun answer beside it
   * - `adaptive`: `thinking: {type: 'adaptive'}` and `outputConfig.effort`; the same limits
   * - `config`: `reasoningConfig: {type: 'enabled', maxReasoningEffort}`, with `high` neither limit nor sampling
   * - `field`: `reasoning_effort`
   * - `object`: `reasoning: {effort}`
   * All but the effort are fields of `additionalModelRequestFields`.
   */
  readonly form: 'budget' | 'adaptive' | 'config' | 'field' | 'object';
  /** The efforts it knows, lowest first, where they are not low, medium and high; others become the nearest. */
  readonly efforts?: readonly ReasoningEffort[];
  /** It cannot be told not to think: `none` becomes the least. */
  readonly alwaysOn?: true;
  /** It thinks unless it is told not to: `none` is said, not left out. */
  readonly onByDefault?: true;
  /** It tells what it thought only when it is asked to (`thinking.display: 'summarized'`). */
  readonly display?: true;
}

export interface BedrockQuirks {
  /** Absent: it cannot be told, and `reasoning_effort` has no effect. */
  readonly reasoning?: ReasoningQuirk;
  /** It writes its thoughts into the text, in `<thinking>` or `<think>`. */
  readonly rawThinking?: true;
  /** It wants reasoning without a signature back; otherwise only signed reasoning is sent again. */
  readonly plainReasoning?: true;
  /** Which sampling settings it takes: not both `temperature` and `top_p`, or none. All where absent. */
  readonly sampling?: 'one' | 'none';
  /** Stop sequences it takes at most; what is beyond is stopped by us. */
  readonly maxStops?: number;
  /** It ends its text with the stop sequence; we cut it off. */
  readonly echoesStop?: true;
  /** Which tool choices it takes: `any` but no named tool, or `auto` only. All where absent. */
  readonly toolChoice?: 'any' | 'auto';
  /** It takes `tool_choice` of the Messages API beside `toolConfig`: `none`, and one call at a time. */
  readonly nativeToolChoice?: true;
  /** It takes `strict` on tools. */
  readonly strictTools?: true;
  /** At the top of a tool's schema it takes `type`, `properties` and `required` only. */
  readonly bareToolSchema?: true;
  /** It wants results of tools as JSON objects. */
  readonly jsonToolResults?: true;
  /** Nothing else may stand in a turn with results of tools. */
  readonly toolResultsAlone?: true;
  /** Ids of calls are nine letters or digits. */
  readonly shortToolIds?: true;
  /** It takes `outputConfig.textFormat` with a JSON schema; else a structured answer is the call of a tool. */
  readonly jsonSchema?: true;
  /** It takes no system prompt: that goes before the first user's text. */
  readonly noSystem?: true;
  /** A conversation must end with the user: it cannot go on with an answer that was begun. */
  readonly noPrefill?: true;
  /** Where it takes cache points. Nowhere where absent: there they are an error. `messages` includes the system prompt. */
  readonly caching?: 'messages' | 'all';
  /** Its cache points take a `ttl`. */
  readonly cacheTtl?: true;
  /** The system tool that searches the web for it, for `web_search_options`: `nova_grounding`. */
  readonly searchTool?: string;
  /** `service_tier: fast` is the latency-optimized version of the model; else it is tier `priority`. */
  readonly latencyOptimized?: true;
  /** Further `additionalModelRequestFields` of every request (`anthropic_beta`). */
  readonly fields?: Readonly<Record<string, Json>>;
}
