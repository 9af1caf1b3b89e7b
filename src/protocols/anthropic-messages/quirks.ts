/** How places that serve the Messages API deviate from Anthropic's own, as fields of a catalog row. */
import type { ModelRules } from './models.ts';

export interface AnthropicQuirks {
  /**
   * A cloud's own way to the same models: it changes path, version and framing, and what of the API is there. `vertex`:
   * `/publishers/anthropic/models/{model}:rawPredict` behind the base URL. `bedrock`: `/model/{model}/invoke`, whose
   * streams are AWS event streams. Where absent: `/messages` behind the base URL.
   */
  readonly platform?: 'vertex' | 'bedrock';
  /** Values of `anthropic-beta` that every request gets. */
  readonly betas?: readonly string[];
  /** Fetches images and documents by https URL. Where absent: not on a cloud's platform. */
  readonly urlSources?: boolean;
  /** Knows file ids. Where absent: not on a cloud's platform. */
  readonly fileIds?: boolean;
  /**
   * Knows `output_config.format` and `strict` tools, for models that do. Where absent: true, but not on Vertex, where an
   * organization's policy has to allow it first. Else a structured answer is a forced tool.
   */
  readonly structuredOutputs?: boolean;
  /** Version of the web search tool, `false` for none. Where absent: the basic one, which all models know; none on Bedrock. */
  readonly webSearch?: string | false;
  /** Takes turns of the role `system` in mid-conversation, from models that know them. Where absent: not on a cloud's platform. */
  readonly systemTurns?: boolean;
  /** Knows `cache_control`; true where absent. */
  readonly cacheMarks?: boolean;
  /** Knows `service_tier`. Where absent: not on a cloud's platform. */
  readonly serviceTiers?: boolean;
  /** Knows `metadata.user_id`. Where absent: not on Bedrock. */
  readonly userIds?: boolean;
  /**
   * Knows `thinking.block_binding`, by which thinking of another version of the conversation is dropped and not refused.
   * Where absent: not on a cloud's platform.
   */
  readonly bindingControls?: boolean;
  /** Signs no thinking, and wants it back all the same. */
  readonly unsignedThinking?: boolean;
  /** What its models take, where they are none of Anthropic's or differ from those of the same name. */
  readonly models?: Partial<ModelRules>;
}

/** The same, with every default filled in. */
export type Settled = Required<Omit<AnthropicQuirks, 'platform'>> & { readonly platform: 'vertex' | 'bedrock' | 'own' };

export function settle(quirks: AnthropicQuirks): Settled {
  const { platform = 'own', ...given } = quirks;
  const own = platform === 'own';
  return {
    betas: [],
    urlSources: own,
    fileIds: own,
    structuredOutputs: platform !== 'vertex',
    webSearch: platform === 'bedrock' ? false : 'web_search_20250305',
    systemTurns: own,
    cacheMarks: true,
    serviceTiers: own,
    userIds: platform !== 'bedrock',
    bindingControls: own,
    unsignedThinking: false,
    models: {},
    ...given,
    platform,
  };
}
