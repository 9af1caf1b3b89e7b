/**
 * The neutral model of a conversation: what every dialect parses into and every backend starts from.
 * Nobody's JSON: no field here is named after a vendor's wire format.
 */
import type { Source } from './json-pieces.ts';

/** Plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The prefix that ends with this block is worth caching. `ttl` as the client wrote it, where it did. */
export interface CacheMark {
  readonly ttl?: '5m' | '30m' | '1h' | '24h';
}

/**
 * What a provider wants to see again with the next turn and nobody else may get: signatures, encrypted reasoning.
 * `owner` is the id of the configured provider that made it, `data` is that provider's own.
 */
export interface ProviderState {
  readonly owner: string;
  readonly data: Json;
}

/** A source that a text cites. `start` and `end` count UTF-16 units in the whole text of the choice. */
export interface Annotation {
  readonly type: 'url_citation';
  readonly url: string;
  readonly title: string;
  readonly start: number;
  readonly end: number;
}

/** Plain text. */
export interface TextBlock {
  readonly type: 'text';
  readonly text: string;
  readonly cache?: CacheMark;
  readonly state?: ProviderState;
}

/** An image by https URL or data URL. `at` is its place in the client's body (`messages[0].content[1]`), for messages about it. */
export interface ImageBlock {
  readonly type: 'image';
  readonly url: string;
  readonly detail?: 'auto' | 'low' | 'high';
  readonly at: string;
  readonly cache?: CacheMark;
}

/** Audio, base64 in `data`. */
export interface AudioBlock {
  readonly type: 'audio';
  readonly data: string;
  readonly format: string;
  readonly at: string;
  readonly cache?: CacheMark;
}

/** A document: base64 (bare or as a data URL) in `data`, or an id the provider knows. */
export interface FileBlock {
  readonly type: 'file';
  readonly filename?: string;
  readonly data?: string;
  readonly fileId?: string;
  readonly at: string;
  readonly cache?: CacheMark;
}

/** A refusal the assistant gave in an earlier turn. */
export interface RefusalBlock {
  readonly type: 'refusal';
  readonly text: string;
}

/** What the model thought before its answer. The text may be empty where all there is is `state`. */
export interface ReasoningBlock {
  readonly type: 'reasoning';
  readonly text: string;
  readonly state?: ProviderState;
}

/** A call the assistant made. `input` is the JSON text of the arguments, or free text where `kind` is `custom`. */
export interface ToolCallBlock {
  readonly type: 'tool_call';
  readonly id: string;
  readonly kind: 'function' | 'custom';
  readonly name: string;
  readonly input: string;
  readonly state?: ProviderState;
}

/** A spoken answer: base64 in `data`; `expiresAt` in Unix seconds. */
export interface SpeechBlock {
  readonly type: 'speech';
  readonly id: string;
  readonly data: string;
  readonly transcript: string;
  readonly expiresAt: number;
}

/**
 * Part of an assistant's turn that has no form in any contract but its provider's own: a search that the provider ran
 * itself, with its results. Replayed to that provider only, in its place among the other blocks; shown to nobody.
 */
export interface OpaqueBlock {
  readonly type: 'opaque';
  readonly state: ProviderState;
}

export type Block =
  | TextBlock
  | ImageBlock
  | AudioBlock
  | FileBlock
  | RefusalBlock
  | ReasoningBlock
  | ToolCallBlock
  | SpeechBlock
  | OpaqueBlock;

export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

/** One turn. A `tool` message answers the call named by `toolCallId`; `toolName` is that call's tool. */
export interface Message {
  readonly role: Role;
  readonly name?: string;
  readonly blocks: readonly Block[];
  readonly toolCallId?: string;
  readonly toolName?: string;
}

export type JsonSchema = { readonly [keyword: string]: unknown } | boolean;

/** A function tool; `parameters` is a JSON Schema, absent for a function without arguments. */
export interface FunctionTool {
  readonly kind: 'function';
  readonly name: string;
  readonly description?: string;
  readonly parameters?: JsonSchema;
  readonly strict: boolean;
  /** Where it stands in the client's body, as `tools[0].function`. */
  readonly at: string;
  readonly cache?: CacheMark;
}

/** A tool whose input is free text, or text of a grammar. */
export interface CustomTool {
  readonly kind: 'custom';
  readonly name: string;
  readonly description?: string;
  readonly grammar?: { readonly syntax: 'lark' | 'regex'; readonly definition: string };
  readonly at: string;
}

export type Tool = FunctionTool | CustomTool;

/**
 * `auto`, `required` and `none` range over `ChatRequest.tools`, or over `names` where the client allowed only some.
 * `named` forces exactly one call of that tool.
 */
export type ToolChoice =
  | { readonly mode: 'auto' | 'required'; readonly names?: readonly string[] }
  | { readonly mode: 'none' }
  | { readonly mode: 'named'; readonly name: string };

export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema';
      readonly name: string;
      readonly description?: string;
      readonly schema: JsonSchema;
      readonly strict: boolean;
    };

export type ReasoningEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

/** Sampling settings; an absent one means the contract's default (temperature 1, top_p 1, penalties 0). */
export interface Sampling {
  readonly temperature?: number;
  readonly topP?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Token id → bias, −100 to 100; both ends ban and force. */
  readonly logitBias?: ReadonlyMap<number, number>;
  readonly seed?: number;
}

/** A checked request. Every field is final: defaults are filled in, older spellings folded into the newer. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly sampling: Sampling;
  readonly n: number;
  /** Tokens to generate at most, per choice. Absent: what the context leaves. */
  readonly maxTokens?: number;
  readonly stop: readonly string[];
  /** Present where log probabilities are asked for; `top` alternatives each, 0 to 20. */
  readonly logprobs?: { readonly top: number };
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  readonly responseFormat: ResponseFormat;
  readonly reasoningEffort?: ReasoningEffort;
  readonly verbosity?: 'low' | 'medium' | 'high';
  readonly user?: string;
  readonly safetyIdentifier?: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** The client used `functions`/`function_call`: it is answered in that form. */
  readonly legacyFunctions: boolean;
  /** Fields that were given and have no place above (`store`, `service_tier`, unknown ones): a backend honours or reports them. */
  readonly extras: readonly string[];
  /** The client's own body, as it was parsed. Never changed. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** The body as it came, where something large of it may go on as it is. Whoever changes a field of `raw` need not care. */
  readonly source?: Source;
}

/**
 * Tokens of one request over all its choices. The details are parts of the two totals, never added to them: a provider
 * that counts cached tokens apart has them summed into `promptTokens`. An absent detail was not reported.
 */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** How many requests to a provider used this together, each with the prompt; absent: one. */
  readonly calls?: number;
  /** Of the prompt's tokens, those read from a cache. */
  readonly cachedTokens: number;
  /** Of the completion's tokens, those spent on reasoning. */
  readonly reasoningTokens: number;
  /** Of the prompt's tokens, those written to a cache. */
  readonly cacheWriteTokens?: number;
  /** Of those written to a cache, those to be kept for an hour. */
  readonly cacheWriteLongTokens?: number;
  readonly promptAudioTokens?: number;
  readonly completionAudioTokens?: number;
  readonly promptImageTokens?: number;
  readonly completionImageTokens?: number;
  readonly acceptedPredictionTokens?: number;
  readonly rejectedPredictionTokens?: number;
  /** How often tools were run that the provider runs itself and charges for, by name: `{ web_search: 2 }`. */
  readonly providerTools?: Readonly<Record<string, number>>;
  /** What the provider says it charged, in US dollars, as it wrote it. */
  readonly reportedCost?: number;
}

/**
 * Why a choice ended. `pause`: the provider stopped in the middle of a run of its own tools; the same request with this
 * turn at its end goes on.
 */
export type StopReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'pause';

/** One alternative for a token. `logprob` is natural, over the whole vocabulary, before any sampling setting. */
export interface TopLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
}

/** A generated token; the `token`s of a text, joined, are the text. */
export interface TokenLogprob extends TopLogprob {
  readonly top: readonly TopLogprob[];
}

/** A finished choice. `reason` is what the model did; how a dialect words it is the dialect's. */
export interface Choice {
  readonly blocks: readonly Block[];
  readonly annotations?: readonly Annotation[];
  readonly logprobs?: readonly TokenLogprob[];
  readonly reason: StopReason;
}

/** A whole answer. `created` is in Unix seconds. */
export interface ChatResponse {
  readonly id: string;
  readonly model: string;
  readonly created: number;
  readonly fingerprint?: string;
  /** The class of service that was used, in the contract's words. */
  readonly serviceTier?: string;
  readonly choices: readonly Choice[];
  readonly usage: Usage | undefined;
}

/** The text of a message, its text blocks joined as they stand. */
export function textOf(blocks: readonly Block[]): string {
  return blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
}
