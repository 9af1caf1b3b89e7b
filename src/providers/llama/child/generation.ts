/** One choice being generated: its sampler, its grammar, its text, and why it ends. */
import type { Job } from '../protocol.ts';
import type { TopLogprob } from '../../../core/chat.ts';
import type { Grammar, GrammarState, Native, Sampler, SamplerConfig } from './native.ts';
import type { Lane } from './lanes.ts';
import { createTriggerWatch, withPrefix, type TriggerWatch } from './lazy-grammar.ts';
import { createTextStream, type Release, type ScoredToken, type TextStream } from './text-stream.ts';

export interface Generation {
  readonly job: Job;
  readonly choice: number;
  readonly lane: Lane;
  readonly prompt: Uint32Array;
  readonly sampler: Sampler;
  readonly text: TextStream;
  readonly generated: number[];
  watch: TriggerWatch | undefined;
  /** Something of the prompt was decoded for this choice. */
  begun: boolean;
  /** The sampled token that the next step decodes. */
  next: number | undefined;
  /** Where this step's scores are; −1 while the prompt is not through. */
  scoresAt: number;
  /** Tokens generated but not yet reported. */
  unreported: number;
}

export interface Taken extends Release {
  readonly finish?: 'stop' | 'length';
}

/** Settings of the native sampler. One that is off is absent: a neutral value would still sort the vocabulary. */
function samplerConfig(native: Native, job: Job, choice: number): SamplerConfig {
  // Below this, and with an empty nucleus, the distribution is its maximum: say so instead of dividing by nearly nothing.
  const greedy = job.temperature < 1e-4 || job.topP <= 0;
  const penalised = job.frequencyPenalty !== 0 || job.presencePenalty !== 0;
  return {
    ...(greedy ? {} : { temperature: job.temperature, ...(job.topP < 1 ? { topP: job.topP } : {}) }),
    seed: (job.seed + choice) >>> 0,
    ...(penalised
      ? {
          // OpenAI's penalties count generated tokens only; the sampler adds those itself as they come.
          repeatPenaltyTokens: new Uint32Array(0),
          repeatPenalty: 1,
          repeatPenaltyMaxTokens: native.contextSize,
          repeatPenaltyFrequencyPenalty: job.frequencyPenalty,
          repeatPenaltyPresencePenalty: job.presencePenalty,
        }
      : {}),
    ...(job.logitBias.length > 0
      ? {
          tokenBiasKeys: Uint32Array.from(job.logitBias, ([token]) => token),
          // −100 bans: beyond what any temperature can lift, and still finite, should a grammar leave nothing else.
          tokenBiasValues: Float32Array.from(job.logitBias, ([, bias]) => (bias <= -100 ? -1e6 : bias)),
        }
      : {}),
  };
}

export interface GenerationStart {
  readonly job: Job;
  readonly choice: number;
  readonly lane: Lane;
  readonly prompt: Uint32Array;
  /** The job's grammar, where it holds from the first token. */
  readonly grammar: Grammar | undefined;
}

export function startGeneration(native: Native, start: GenerationStart): Generation {
  const { job, choice } = start;
  const sampler = native.sampler();
  const state: GrammarState | undefined = start.grammar && native.grammarState(start.grammar);
  sampler.applyConfig({ ...samplerConfig(native, job, choice), ...(state ? { grammarEvaluationState: state } : {}) });
  const text = createTextStream({ stop: job.stop, formatStop: job.formatStop, stopAfter: job.stopAfter });
  if (start.grammar && job.grammar?.suspendsStop) text.suspendStops();
  const triggers = job.grammar?.triggers;
  return {
    job,
    choice,
    lane: start.lane,
    prompt: start.prompt,
    sampler,
    text,
    generated: [],
    watch: triggers && triggers.length > 0 ? createTriggerWatch(triggers) : undefined,
    begun: false,
    next: undefined,
    scoresAt: -1,
    unreported: 0,
  };
}

/** Puts the lazy grammar in force once its trigger has appeared. Output that is no call after all stays free. */
function engageGrammar(native: Native, generation: Generation, token: number): void {
  const { job, watch } = generation;
  const hit = watch?.push(token, generation.text.lastText());
  if (!hit || !job.grammar) return;
  const { gbnf, root } = withPrefix(job.grammar.gbnf, hit.before);
  const state = native.grammarState(native.grammar(gbnf, root));
  try {
    for (const passed of hit.tokens) native.acceptToken(state, passed);
  } catch {
    // The text around the trigger does not begin a call (it was quoted, say). Look out for the next one.
    generation.watch = createTriggerWatch(job.grammar.triggers ?? []);
    return;
  }
  generation.watch = undefined;
  const config = samplerConfig(native, job, generation.choice);
  generation.sampler.applyConfig({
    ...config,
    ...(config.repeatPenaltyTokens ? { repeatPenaltyTokens: Uint32Array.from(generation.generated) } : {}),
    grammarEvaluationState: state,
  });
  if (job.grammar.suspendsStop) generation.text.suspendStops();
}

const decoder = new TextDecoder();

function nameOf(native: Native, token: number): Omit<TopLogprob, 'logprob'> {
  const bytes = native.vocabulary.bytesOf(token);
  return { token: decoder.decode(bytes), bytes: [...bytes] };
}

async function scoreToken(native: Native, generation: Generation, token: number): Promise<ScoredToken | undefined> {
  const wanted = generation.job.logprobs;
  if (wanted === undefined) return undefined;
  const raw = await native.rawScores(generation.scoresAt, token, wanted);
  return { logprob: raw.logprob, top: raw.top.map(([id, logprob]) => ({ ...nameOf(native, id), logprob })) };
}

/** Draws the next token from this step's scores and says what may be shown now. */
export async function takeToken(native: Native, generation: Generation): Promise<Taken> {
  const token = await native.sample(generation.scoresAt, generation.sampler);
  if (token < 0) throw new Error('The grammar left no token to choose from.');
  if (native.isEndOfGeneration(token)) return { ...generation.text.flush(), finish: 'stop' };
  const score = await scoreToken(native, generation, token);
  generation.generated.push(token);
  generation.unreported++;
  const release = generation.text.push(native.vocabulary.bytesOf(token), score);
  if (release.stopped) return { ...release, finish: 'stop' };
  engageGrammar(native, generation, token);
  const most = generation.job.maxTokens ?? Number.POSITIVE_INFINITY;
  if (generation.generated.length >= most || generation.lane.tokens.length >= native.contextSize) {
    const rest = generation.text.flush();
    return { text: release.text + rest.text, logprobs: [...release.logprobs, ...rest.logprobs], stopped: false, finish: 'length' };
  }
  generation.next = token;
  return release;
}
