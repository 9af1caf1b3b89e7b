/**
 * Every use of node-llama-cpp's internals, in one file, for the one version that package.json pins.
 * The public API has no continuous batching, no raw log probabilities and no lazy grammars; its native context has
 * all that these need. `checkNative` proves at start that what we rely on is there and behaves.
 */
import { getLlama, LlamaLogLevel, type Llama, type LlamaContext, type LlamaModel } from 'node-llama-cpp';
import type { LoadOptions } from '../protocol.ts';
import { createGrammarCache } from './grammar-cache.ts';
import { createVocabulary, type Vocabulary } from './vocabulary.ts';

export type Grammar = object & { readonly grammar: unique symbol };
export type GrammarState = object & { readonly grammarState: unique symbol };

export interface SamplerConfig {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly repeatPenalty?: number;
  readonly repeatPenaltyTokens?: Uint32Array;
  readonly repeatPenaltyMaxTokens?: number;
  readonly repeatPenaltyFrequencyPenalty?: number;
  readonly repeatPenaltyPresencePenalty?: number;
  readonly tokenBiasKeys?: Uint32Array;
  readonly tokenBiasValues?: Float32Array;
  readonly grammarEvaluationState?: GrammarState;
}

/** What draws a choice's tokens. */
export interface Sampler {
  readonly native: NativeSampler;
  applyConfig(config: SamplerConfig): void;
  /** The native sampler goes back to be used again; this one must not be used any more. */
  dispose(): void;
}

interface NativeSampler {
  applyConfig(config: SamplerConfig): void;
}

type LogitsWanted = readonly [tokens: readonly number[], highest: boolean, lowest: boolean, selected: boolean, top: number];
type Sampled = readonly [
  token: number,
  probabilities: unknown,
  confidence: unknown,
  logits: readonly number[] | undefined,
  weight: number | undefined,
];

interface NativeContext {
  initBatch(size: number): void;
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(index: number, sampler: NativeSampler): Promise<number>;
  sampleToken(
    index: number,
    sampler: NativeSampler,
    probabilities: boolean,
    confidence: boolean,
    logits: LogitsWanted | boolean,
    weight: boolean,
  ): Promise<Sampled>;
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
  copySequenceStateFromOtherSequence(target: number, source: number): Promise<number>;
  setThreads(threads: number): void;
}

interface NativeModel {
  tokenize(text: string, special: boolean): Uint32Array;
  detokenize(tokens: Uint32Array, special: boolean): string;
  tokenBos(): number;
  shouldPrependBosToken(): boolean;
  isEogToken(token: number): boolean;
}

interface Bindings {
  readonly AddonSampler: {
    new (model: NativeModel): NativeSampler;
    acceptGrammarEvaluationStateToken(state: GrammarState, token: number): void;
  };
  readonly AddonGrammar: new (gbnf: string, options: { addonExports: Bindings; rootRuleName: string }) => Grammar;
  readonly AddonGrammarEvaluationState: {
    new (model: NativeModel, grammar: Grammar): GrammarState;
    /** A copy. */
    new (state: GrammarState): GrammarState;
  };
  readonly AddonJinjaRenderer: new (template: string) => { render(variables: Record<string, unknown>): string };
}

/** The raw scores of one position: the chosen token's natural log probability, and the likeliest tokens'. */
export interface RawScores {
  readonly logprob: number;
  readonly top: readonly (readonly [token: number, logprob: number])[];
}

/** A loaded model with its context. Sequences are numbered from 0; positions count tokens from 0. */
export interface Native {
  readonly vocabulary: Vocabulary;
  /** Tokens that one sequence can hold. */
  readonly contextSize: number;
  readonly sequences: number;
  readonly batchSize: number;
  readonly bosText: string;
  readonly eosText: string;
  /** Put before each prompt that does not begin with it. */
  readonly leadingBos: number | undefined;
  isEndOfGeneration(token: number): boolean;
  tokenize(text: string, special: boolean): Uint32Array;
  detokenize(tokens: Uint32Array): string;
  /** Renders a Jinja chat template. Throws what the template raises. */
  render(template: string, variables: Record<string, unknown>): string;
  /** Throws where the GBNF text has a fault. Those used lately are kept. */
  grammar(gbnf: string, root: string): Grammar;
  /** A state of its own, at the grammar's beginning. */
  grammarState(grammar: Grammar): GrammarState;
  /** Moves a grammar on; throws where it does not allow the token. */
  acceptToken(state: GrammarState, token: number): void;
  sampler(): Sampler;
  beginBatch(tokens: number): void;
  /** Adds tokens of a sequence to the batch. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array): void;
  /** The same, and gives where the scores of the last one will be. */
  addScored(sequence: number, position: number, tokens: Uint32Array): number;
  decode(): Promise<void>;
  /** Threads of the decodes to come, `threads` at most. */
  setThreads(threads: number): void;
  readonly threads: number;
  /** Draws a token; −1 where none is left to draw from. */
  sample(scoresAt: number, sampler: Sampler): Promise<number>;
  /** Scores of the model itself, before any setting; `top` is 20 at most. */
  rawScores(scoresAt: number, token: number, top: number): Promise<RawScores>;
  /** All scores of a position as natural log probabilities by token id: slow, for self-checks and tests. */
  allLogits(scoresAt: number): Promise<Float64Array>;
  /** Forgets a sequence's tokens from `from` on. False where this kind of model cannot forget a part. */
  trim(sequence: number, from: number): boolean;
  copy(target: number, source: number): Promise<void>;
  dispose(): Promise<void>;
}

/** What the contract allows as `top_logprobs`. */
const MOST_ALTERNATIVES = 20;

const STATES_KEPT = 64;

type Inside<T> = { readonly _bindings: T };
type InsideModel = { readonly _model: NativeModel };
type InsideContext = { readonly _ctx: NativeContext };

function inside<T>(owner: object, key: string): T {
  const value: unknown = Reflect.get(owner, key);
  if (typeof value !== 'object' || value === null)
    throw new Error(`node-llama-cpp has no ${key}: is another version installed than the pinned one?`);
  return value as T;
}

/** The scores of `tokens`, in order, as pairs; node-llama-cpp gives them flat. */
function logitOf(flat: readonly number[], token: number): number {
  for (let i = 0; i + 1 < flat.length; i += 2) if (flat[i] === token) return flat[i + 1] ?? Number.NaN;
  return Number.NaN;
}

interface Scoring {
  readonly context: NativeContext;
  readonly greedy: NativeSampler;
  /** Keeps the MOST_ALTERNATIVES likeliest tokens, in order, and changes nothing of their scores. */
  readonly likeliest: NativeSampler;
}

/**
 * Two passes over the vocabulary and no sort: the likeliest tokens by a selection, then the weight of all. Asking the
 * library for both at once would sort the whole vocabulary, which takes eight times as long.
 */
async function rawScores({ context, greedy, likeliest }: Scoring, at: number, asked: { token: number; top: number }): Promise<RawScores> {
  const most = Math.max(1, asked.top);
  const [, , , scores = []] = await context.sampleToken(at, likeliest, false, false, [[], false, false, false, most], false);
  const known = logitOf(scores, asked.token);
  const rare = Number.isNaN(known);
  const [, , , found = [], weight = Number.NaN] = await context.sampleToken(
    at,
    greedy,
    false,
    false,
    rare ? [[asked.token], false, false, false, 0] : false,
    true,
  );
  const zero = (scores[1] ?? Number.NaN) + Math.log(weight);
  const top: [number, number][] = [];
  for (let i = 0; i < asked.top * 2 && i + 1 < scores.length; i += 2) top.push([scores[i] ?? 0, (scores[i + 1] ?? Number.NaN) - zero]);
  return { logprob: Math.min(0, (rare ? logitOf(found, asked.token) : known) - zero), top };
}

async function allLogits({ context, greedy }: Pick<Scoring, 'context' | 'greedy'>, at: number, size: number): Promise<Float64Array> {
  const [, , , flat = []] = await context.sampleToken(at, greedy, false, false, true, true);
  const logits = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i + 1 < flat.length; i += 2) logits[flat[i] ?? 0] = flat[i + 1] ?? Number.NaN;
  return logits;
}

/**
 * Samplers that are used again. Each holds a vocabulary of candidates, half a megabyte and more, which only the
 * garbage collector frees, and that does not know of it: with a new one per choice the process would grow by gigabytes.
 */
function createSamplerPool(create: () => NativeSampler): () => Sampler {
  const free: NativeSampler[] = [];
  return () => {
    const native = free.pop() ?? create();
    let seed = 0;
    let disposed = false;
    return {
      native,
      applyConfig(config) {
        seed = config.seed ?? seed;
        native.applyConfig(config);
      },
      dispose() {
        if (disposed) return;
        disposed = true;
        // All that is absent is dropped, the grammar too. Only another seed makes the generator begin anew.
        native.applyConfig({ seed: (seed ^ 1) >>> 0 });
        free.push(native);
      },
    };
  };
}

async function openContext(llama: Llama, model: LlamaModel, options: LoadOptions): Promise<LlamaContext> {
  return model.createContext({
    sequences: options.sequences,
    contextSize: options.contextSize,
    batchSize: options.batchSize,
    threads: options.threads,
    // Sliding-window layers keep all cells: otherwise a cut-back prefix would silently lack what slid out.
    swaFullCache: true,
    flashAttention: llama.gpu !== false,
  });
}

/** Loads a model and opens its context. `onProgress` gets fractions from 0 to 1. */
export async function openNative(options: LoadOptions, onProgress: (fraction: number) => void): Promise<Native> {
  const llama = await getLlama({
    build: 'never',
    skipDownload: true,
    gpu: options.gpu === 'off' ? false : 'auto',
    logLevel: LlamaLogLevel.error,
    maxThreads: options.threads,
  });
  const model = await llama.loadModel({ modelPath: options.modelPath, onLoadProgress: onProgress });
  const context = await openContext(llama, model, options);
  const bindings = inside<Inside<Bindings>['_bindings']>(llama, '_bindings');
  const nativeModel = inside<InsideModel['_model']>(model, '_model');
  const nativeContext = inside<InsideContext['_ctx']>(context, '_ctx');
  const { ggml } = model.fileInfo.metadata.tokenizer;
  const vocabulary = createVocabulary(ggml.model, ggml.tokens, ggml.token_type);

  const greedy = new bindings.AddonSampler(nativeModel);
  greedy.applyConfig({});
  const likeliest = new bindings.AddonSampler(nativeModel);
  // a temperature of 1 leaves the scores as they are; without one, the library leaves the selection out
  likeliest.applyConfig({ topK: MOST_ALTERNATIVES, temperature: 1, seed: 0 });
  const scoring: Scoring = { context: nativeContext, greedy, likeliest };
  let grammarStates = 0;
  const grammars = createGrammarCache<Grammar, GrammarState>({
    compile: (gbnf, root) => new bindings.AddonGrammar(gbnf, { addonExports: bindings, rootRuleName: root }),
    begin: (grammar) => new bindings.AddonGrammarEvaluationState(nativeModel, grammar),
    copy: (state) => new bindings.AddonGrammarEvaluationState(state),
  });
  const templates = new Map<string, { render(variables: Record<string, unknown>): string }>();
  const bos = nativeModel.tokenBos();
  const textOf = (token: number | undefined): string =>
    token === undefined || token < 0 || token >= vocabulary.size ? '' : new TextDecoder().decode(vocabulary.bytesOf(token));

  return {
    vocabulary,
    contextSize: context.contextSize,
    sequences: context.totalSequences,
    batchSize: context.batchSize,
    bosText: textOf(bos),
    eosText: textOf(ggml.eos_token_id),
    leadingBos: nativeModel.shouldPrependBosToken() && bos >= 0 ? bos : undefined,
    isEndOfGeneration: (token) => nativeModel.isEogToken(token),
    tokenize: (text, special) => nativeModel.tokenize(text, special),
    detokenize: (tokens) => nativeModel.detokenize(tokens, true),
    render(template, variables) {
      let renderer = templates.get(template);
      if (!renderer) {
        renderer = new bindings.AddonJinjaRenderer(template);
        templates.set(template, renderer);
      }
      return renderer.render(variables);
    },
    grammar: grammars.grammar,
    grammarState(grammar) {
      // A state holds a copy of its grammar, and only the garbage collector frees it, who does not know how large it is.
      if (++grammarStates % STATES_KEPT === 0) globalThis.gc?.();
      return grammars.state(grammar);
    },
    acceptToken: (state, token) => bindings.AddonSampler.acceptGrammarEvaluationStateToken(state, token),
    sampler: createSamplerPool(() => new bindings.AddonSampler(nativeModel)),
    beginBatch: (tokens) => nativeContext.initBatch(tokens),
    addToBatch(sequence, position, tokens) {
      nativeContext.addToBatch(sequence, position, tokens, new Uint32Array(0));
    },
    addScored: (sequence, position, tokens) =>
      nativeContext.addToBatch(sequence, position, tokens, Uint32Array.of(tokens.length - 1))[0] ?? -1,
    decode: () => nativeContext.decodeBatch(),
    setThreads: (threads) => nativeContext.setThreads(threads),
    threads: options.threads,
    sample: (scoresAt, sampler) => nativeContext.sampleToken(scoresAt, sampler.native),
    rawScores: (scoresAt, token, top) => rawScores(scoring, scoresAt, { token, top }),
    allLogits: (scoresAt) => allLogits(scoring, scoresAt, vocabulary.size),
    trim: (sequence, from) => nativeContext.removeTokenCellsFromSequence(sequence, from, -1),
    async copy(target, source) {
      await nativeContext.copySequenceStateFromOtherSequence(target, source);
    },
    async dispose() {
      await context.dispose();
      await model.dispose();
    },
  };
}
