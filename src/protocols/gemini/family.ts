/** What a model can do, as far as its name and the place that serves it tell. */
import type { ReasoningEffort } from '../../core/chat.ts';
import type { WireTarget } from '../wire.ts';
import type { GeminiQuirks } from './quirks.ts';

export interface Traits {
  readonly vertex: boolean;
  readonly thinking: 'budget' | 'level' | 'none';
  readonly logprobs: boolean;
  readonly penalties: boolean;
  readonly systemInstruction: boolean;
  readonly search: boolean;
  readonly toolsTogether: boolean;
  /** Checks that calls come back with their thought signatures. */
  readonly signed: boolean;
  readonly callIds: boolean;
  readonly labels: boolean;
  readonly imageUrls: boolean;
  readonly mediaResolution: boolean;
  /** Constrains calls to the schemas in the mode VALIDATED. */
  readonly validated: boolean;
}

/** The name without the folders before it, in lower case. */
const nameOf = (model: string): string => model.slice(model.lastIndexOf('/') + 1).toLowerCase();

/**
 * The generation: 2.5, 3.1. Names without one (`gemini-flash-latest`, and names yet to come) are of the newest; undefined
 * for models that are not Gemini's.
 */
function generationOf(name: string): number | undefined {
  const version = /^gemini-(\d+(?:\.\d+)?)/.exec(name)?.[1];
  if (version !== undefined) return Number(version);
  if (name.startsWith('gemini-robotics-er-1.5')) return 2.5;
  if (/^gemini-pro(?:-vision)?$/.test(name)) return 1;
  return name.startsWith('gemini-') ? Infinity : undefined;
}

export function traitsOf(target: WireTarget<GeminiQuirks>): Traits {
  const { quirks, upstreamModel, facts } = target;
  const name = nameOf(upstreamModel);
  const generation = generationOf(name) ?? 0;
  const vertex = quirks.vertex ?? false;
  const draws = /-image\b/.test(name);
  const speaks = /-tts\b/.test(name);
  // refused with "Penalty is not enabled" and "Logprobs is not enabled" elsewhere
  const older = vertex ? generation > 0 && generation < 3 : generation >= 2 && generation < 2.5;
  return {
    vertex,
    thinking: quirks.thinking ?? (facts.reasoning === false || draws || speaks ? 'none' : thinkingOf(generation)),
    logprobs: quirks.logprobs ?? older,
    penalties: quirks.penalties ?? older,
    systemInstruction: quirks.systemInstruction ?? !(name.startsWith('gemma-') || (draws && generation < 3)),
    search: generation >= 2,
    toolsTogether: quirks.toolsTogether ?? generation >= 3,
    signed: generation >= 3,
    callIds: quirks.callIds ?? !vertex,
    labels: quirks.labels ?? vertex,
    imageUrls: quirks.imageUrls ?? (!vertex && generation >= 2.5),
    mediaResolution: generation >= 2 && !draws,
    validated: generation >= 2,
  };
}

function thinkingOf(generation: number): Traits['thinking'] {
  if (generation >= 3) return 'level';
  return generation >= 2.5 ? 'budget' : 'none';
}

export interface Thinking {
  /** For `generationConfig.thinkingConfig`; undefined where nothing need be said. */
  readonly config?: Readonly<Record<string, number | string | boolean>>;
  /** The effort had no effect. */
  readonly ignored?: boolean;
}

/**
 * Thoughts are asked for wherever the model has some. Efforts become what Google's own endpoint for OpenAI's clients
 * makes of them: budgets of 1,024, 8,192 and 24,576 tokens, or the level of the same name where the model has it.
 */
export function thinkingFor(model: string, thinking: Traits['thinking'], effort: ReasoningEffort | undefined): Thinking {
  const name = nameOf(model);
  if (thinking === 'none') return effort === undefined || effort === 'none' ? {} : { ignored: true };
  if (effort === undefined) {
    // it only thinks when it is told to, and is refused a look at thoughts that it does not have
    return name.startsWith('gemini-2.5-flash-lite') ? {} : { config: { includeThoughts: true } };
  }
  if (thinking === 'level') return levelFor(name, effort);
  if (effort === 'none' && !name.startsWith('gemini-2.5-pro')) return { config: { thinkingBudget: 0 } };
  const config = { thinkingBudget: budgetFor(name, effort), includeThoughts: true };
  return effort === 'none' ? { config, ignored: true } : { config };
}

function budgetFor(name: string, effort: ReasoningEffort): number {
  switch (effort) {
    case 'none':
      return 128;
    case 'minimal':
      return 512;
    case 'low':
      return 1024;
    case 'medium':
      return 8192;
    case 'high':
      return 24_576;
    case 'xhigh':
    case 'max':
      return name.includes('-pro') ? 32_768 : 24_576;
  }
}

function levelFor(name: string, effort: ReasoningEffort): Thinking {
  const config = (thinkingLevel: string): Thinking => ({ config: { thinkingLevel, includeThoughts: true } });
  switch (effort) {
    case 'none':
    case 'minimal': {
      const lowest = hasMinimal(name) ? 'minimal' : 'low';
      return { ...config(lowest), ...(effort === 'none' && lowest === 'low' ? { ignored: true } : {}) };
    }
    case 'low':
      return config('low');
    case 'medium':
      return config(name.startsWith('gemini-3-pro') ? 'high' : 'medium');
    case 'high':
    case 'xhigh':
    case 'max':
      return config('high');
  }
}

/** "Thinking level MINIMAL is not supported for this model": the Pro models, and Flash since 3.7. */
function hasMinimal(name: string): boolean {
  if (/-lite\b/.test(name)) return true;
  if (/-pro\b/.test(name) || name === 'gemini-flash-latest') return false;
  const version = /^gemini-(\d+)\.(\d+)-flash/.exec(name);
  if (!version) return true;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major < 3 || (major === 3 && minor < 7);
}
