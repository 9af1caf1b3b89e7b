/** What the server and an engine process say to each other. Plain data: it crosses a process border. */
import type { TokenLogprob } from '../../core/chat.ts';

export interface LoadOptions {
  readonly modelPath: string;
  /** Tokens per sequence. */
  readonly contextSize: number;
  /** Sequences that generate at the same time. */
  readonly sequences: number;
  readonly threads: number;
  readonly gpu: 'auto' | 'off';
  /** Most tokens in one decode. */
  readonly batchSize: number;
}

/** One request for `n` continuations of one prompt. */
export interface Job {
  readonly id: number;
  readonly prompt: {
    readonly template: string;
    readonly messages: readonly Readonly<Record<string, unknown>>[];
    readonly tools?: readonly unknown[];
    readonly variables: Readonly<Record<string, unknown>>;
    readonly prefix: string;
  };
  readonly n: number;
  readonly maxTokens?: number;
  readonly temperature: number;
  readonly topP: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly logitBias: readonly (readonly [token: number, bias: number])[];
  /** Unsigned 32 bits; choice `i` draws from `seed + i`. */
  readonly seed: number;
  /** The same seed must give the same text: cells that another path of computation made are not built on. */
  readonly reproducible: boolean;
  readonly stop: readonly string[];
  readonly formatStop: readonly string[];
  readonly stopAfter?: string;
  readonly grammar?: { readonly gbnf: string; readonly triggers?: readonly string[]; readonly suspendsStop: boolean };
  /** Alternatives per token, where log probabilities are wanted. */
  readonly logprobs?: number;
}

/** Output of one choice since the last message. `logprobs`, joined, spell `text`. */
export interface Output {
  readonly job: number;
  readonly choice: number;
  readonly text: string;
  /** Tokens generated since the last output of this choice, those included whose text is still held back. */
  readonly tokens: number;
  readonly logprobs?: readonly TokenLogprob[];
  readonly finish?: 'stop' | 'length';
}

export interface JobUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: readonly number[];
}

/** What an engine does now, and what it has done since it was loaded. */
export interface EngineWork {
  /** Sequences that read a prompt or generate. */
  readonly busy: number;
  /** Jobs with a choice that waits for a sequence, and those that are being prepared. */
  readonly waiting: number;
  /** Steps that read a piece of a prompt, and prompt tokens decoded in them. */
  readonly promptSteps: number;
  readonly promptTokens: number;
  /** Prompt tokens that needed no decoding: a sequence had them already. */
  readonly reusedTokens: number;
  /** Steps that generated, and tokens decoded in them: one of each sequence that took part. */
  readonly generateSteps: number;
  readonly generatedTokens: number;
}

/** Of an engine that has done nothing yet. */
export const NO_WORK: EngineWork = Object.freeze({
  busy: 0,
  waiting: 0,
  promptSteps: 0,
  promptTokens: 0,
  reusedTokens: 0,
  generateSteps: 0,
  generatedTokens: 0,
});

export type ToEngine =
  | { readonly type: 'load'; readonly options: LoadOptions }
  | { readonly type: 'run'; readonly job: Job }
  | { readonly type: 'cancel'; readonly job: number }
  | { readonly type: 'stop' };

export type FromEngine =
  | { readonly type: 'progress'; readonly fraction: number }
  | {
      readonly type: 'ready';
      readonly contextSize: number;
      readonly vocabulary: number;
      /** What the engine found wrong with itself or this machine, in words; empty where all is well. */
      readonly warnings: readonly string[];
    }
  | { readonly type: 'load_failed'; readonly message: string }
  /** The prompt is accepted and counted; output follows. */
  | { readonly type: 'accepted'; readonly job: number; readonly promptTokens: number }
  | {
      readonly type: 'refused';
      readonly job: number;
      readonly reason: 'context_length_exceeded' | 'template' | 'grammar' | 'invalid_token' | 'internal';
      readonly message: string;
      readonly param: string | null;
    }
  /** Everything that one step of the scheduler made, for all jobs. */
  | { readonly type: 'step'; readonly outputs: readonly Output[] }
  /** A few times a second while it works, and when it comes to rest. */
  | { readonly type: 'work'; readonly work: EngineWork }
  | { readonly type: 'done'; readonly job: number; readonly usage: JobUsage }
  | { readonly type: 'cancelled'; readonly job: number; readonly usage: JobUsage }
  /** The job broke on the way; nothing more comes for it. */
  | { readonly type: 'failed'; readonly job: number; readonly message: string };
