/** What the catalog knows of a provider: data, no code. */
import type { AnthropicQuirks } from '../protocols/anthropic-messages/quirks.ts';
import type { BedrockQuirks } from '../protocols/bedrock-converse/quirks.ts';
import type { CohereChatQuirks } from '../protocols/cohere-chat/quirks.ts';
import type { GeminiQuirks } from '../protocols/gemini/quirks.ts';
import type { OpenAIChatQuirks } from '../protocols/openai-chat/quirks.ts';
import type { OpenAIResponsesQuirks } from '../protocols/openai-responses/quirks.ts';

/** A protocol and how a provider deviates from it. */
export type Spoken =
  | { readonly wire: 'openai-chat'; readonly quirks?: OpenAIChatQuirks }
  | { readonly wire: 'anthropic-messages'; readonly quirks?: AnthropicQuirks }
  | { readonly wire: 'gemini'; readonly quirks?: GeminiQuirks }
  | { readonly wire: 'bedrock-converse'; readonly quirks?: BedrockQuirks }
  | { readonly wire: 'openai-responses'; readonly quirks?: OpenAIResponsesQuirks }
  | { readonly wire: 'cohere-chat'; readonly quirks?: CohereChatQuirks };

export type WireName = Spoken['wire'];

/**
 * How requests are authorized. `bearer` and `header` need a key (from the first set variable of the row's `keyEnv`, or the
 * configuration's); with `optional` a local server may have none. `aws`: an API key of Bedrock where there is one, else
 * SigV4 by the credential chain. `google`: an access token of a service account.
 */
export type Auth =
  | { readonly scheme: 'bearer'; readonly optional?: true }
  | { readonly scheme: 'header'; readonly name: string; readonly optional?: true }
  | { readonly scheme: 'aws'; readonly service: string }
  | { readonly scheme: 'google' };

/** How a provider's own list of models is had. `complete`: a model that is not in it does not exist. */
export interface Listing {
  /** The format of the list. */
  readonly as: 'openai' | 'anthropic' | 'gemini' | 'cohere' | 'bedrock';
  /** Joined to the base URL: `/models`; may be a whole URL of its own. */
  readonly path: string;
  readonly complete: boolean;
}

/** Some models of a provider that are spoken to in another way: Claude on Vertex, models of the Responses API only. */
export interface ModelRule {
  /** Tested against the provider's own name of the model; the first rule that fits counts. */
  readonly match: RegExp;
  readonly speaks?: Spoken;
  /** Joined with the row's quirks where the wire is the same. */
  readonly baseUrl?: string;
}

/**
 * A part in braces of a row's URLs. Its value is the configuration's, else the first set variable of the environment,
 * else the case that the value of the variable `by` selects, else the default, which may have parts in braces of its own.
 */
export interface Variable {
  readonly env: readonly string[];
  readonly by?: string;
  readonly cases?: Readonly<Record<string, string>>;
  readonly default?: string;
}

export interface ProviderRow {
  /** `groq`: the first part of its models' ids, and its name in the configuration. */
  readonly id: string;
  /** `Groq`: for people. */
  readonly name: string;
  readonly speaks: Spoken;
  /**
   * Everything before the protocol's own paths, without a slash at the end. `{region}`, `{project}`, `{resource}` … are
   * filled from the configuration's `variables` or the environment (`variables` below).
   */
  readonly baseUrl: string;
  readonly auth: Auth;
  /** Environment variables that hold the key, the usual one first. A set one switches the provider on. */
  readonly keyEnv: readonly string[];
  /** What the parts in braces stand for; filled in by `catalog/variables.ts`. */
  readonly variables?: Readonly<Record<string, Variable>>;
  /** Environment variables that give the base URL, where users know such. */
  readonly baseUrlEnv?: readonly string[];
  readonly listing?: Listing;
  readonly rules?: readonly ModelRule[];
  /** Headers of every request, beside the protocol's and the key. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A server of this machine or network: no key needed, private addresses and http are fine. */
  readonly local?: true;
  /** Where its API is documented. */
  readonly docs: string;
}
