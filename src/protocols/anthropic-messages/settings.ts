/** How long the model thinks and how it samples, as far as the model lets one say. */
import type { ChatRequest, ReasoningEffort } from '../../core/chat.ts';
import type { Effort, ModelRules } from './models.ts';

export interface Thinking {
  /** The field `thinking`; undefined where none is sent. */
  readonly thinking: Readonly<Record<string, unknown>> | undefined;
  readonly effort: Effort | undefined;
  /** The model will think: then it takes no temperature, and no beginning of its answer. */
  readonly active: boolean;
  /** What was asked for has no effect. */
  readonly ignored: boolean;
}

export interface Circumstances {
  readonly rules: ModelRules;
  /** The request makes the model call a tool, which does not go with thinking. */
  readonly forced: boolean;
  readonly maxTokens: number;
  /** Results of tools are due to a turn that has lost its thinking: with a budget the API refuses to go on thinking. */
  readonly lostThinking: boolean;
}

/** Tokens for each level where a model takes a budget. They are part of the limit of the answer. */
const BUDGETS: Readonly<Record<Exclude<ReasoningEffort, 'none'>, number>> = {
  minimal: 1024,
  low: 4096,
  medium: 10_240,
  high: 24_576,
  xhigh: 32_000,
  max: 60_000,
};

/** The least the API takes. */
const LEAST_BUDGET = 1024;

const NO_THINKING: Thinking = { thinking: undefined, effort: undefined, active: false, ignored: false };

export function thinkingFor(wanted: ReasoningEffort | undefined, circumstances: Circumstances): Thinking {
  const { rules } = circumstances;
  if (rules.thinking === 'adaptive') return adaptive(wanted, circumstances);
  if (wanted === undefined || wanted === 'none') return NO_THINKING;
  if (rules.thinking === 'none') return { ...NO_THINKING, ignored: true };
  return budgeted(wanted, circumstances);
}

function budgeted(wanted: Exclude<ReasoningEffort, 'none'>, { rules, forced, maxTokens, lostThinking }: Circumstances): Thinking {
  const effort = effortFor(wanted, rules);
  // an answer needs room beside the thoughts
  const budget = Math.min(BUDGETS[wanted], Math.floor(maxTokens * 0.8));
  if (forced || lostThinking || budget < LEAST_BUDGET) return { ...NO_THINKING, effort, ignored: effort === undefined };
  return { thinking: { type: 'enabled', budget_tokens: budget }, effort, active: true, ignored: false };
}

function adaptive(wanted: ReasoningEffort | undefined, { rules, forced }: Circumstances): Thinking {
  const thinks = { type: 'adaptive', ...(rules.hidesThinking ? { display: 'summarized' } : {}) };
  const effort = wanted === undefined || wanted === 'none' ? undefined : effortFor(wanted, rules);
  if (wanted === 'none' && rules.thinkingOff === 'never') {
    // the least there is
    return { thinking: thinks, effort: rules.efforts[0], active: true, ignored: true };
  }
  const canStop = rules.thinkingOff !== 'never';
  if (wanted === 'none' || (forced && canStop)) {
    const off = rules.thinkingOff === 'omit' ? undefined : { type: rules.thinkingOff };
    return { thinking: off, effort: off ? notAbove(effort, 'high', rules) : effort, active: false, ignored: false };
  }
  if (forced) return { thinking: undefined, effort, active: true, ignored: false };
  const active = wanted !== undefined || rules.thinksByDefault;
  return { thinking: active ? thinks : undefined, effort, active, ignored: false };
}

/** The level by the same name, or the next that the model knows: above for `xhigh`, below for `max`. */
function effortFor(wanted: Exclude<ReasoningEffort, 'none'>, { efforts }: ModelRules): Effort | undefined {
  const level = wanted === 'minimal' ? 'low' : wanted;
  if (efforts.includes(level)) return level;
  return efforts.at(-1);
}

/** Thinking can be turned off only up to a level. */
function notAbove(effort: Effort | undefined, most: Effort, { efforts }: ModelRules): Effort | undefined {
  if (effort === undefined) return undefined;
  return efforts.indexOf(effort) > efforts.indexOf(most) ? most : effort;
}

export interface Sampled {
  readonly fields: { readonly temperature?: number; readonly top_p?: number };
  readonly ignored: readonly string[];
}

/** A temperature above 1 is sent as 1, which is all there is, and reported. */
export function samplingFor(request: ChatRequest, rules: ModelRules, thinks: boolean): Sampled {
  const { temperature = 1, topP = 1, frequencyPenalty = 0, presencePenalty = 0, logitBias, seed } = request.sampling;
  const ignored: string[] = [];
  const note = (path: string, given: boolean): void => {
    if (given) ignored.push(path);
  };
  const free = rules.sampling !== 'none' && !thinks;
  const heated = free && temperature < 1;
  const cut = heated ? rules.sampling === 'both' : free || (rules.sampling !== 'none' && topP >= 0.95);
  note('temperature', temperature !== 1 && !heated);
  note('top_p', topP !== 1 && !cut);
  note('frequency_penalty', frequencyPenalty !== 0);
  note('presence_penalty', presencePenalty !== 0);
  note('logit_bias', logitBias !== undefined);
  note('seed', seed !== undefined);
  note('logprobs', request.logprobs !== undefined);
  note('top_logprobs', (request.logprobs?.top ?? 0) > 0);
  note('verbosity', request.verbosity === 'low' || request.verbosity === 'high');
  return { fields: { ...(heated ? { temperature } : {}), ...(topP !== 1 && cut ? { top_p: topP } : {}) }, ignored };
}
