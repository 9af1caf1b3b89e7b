/** How much a model shall think, in the words of its family; and what it then takes no more. */
import type { ChatRequest, Json, ReasoningEffort } from '../../core/chat.ts';
import type { WireTarget } from '../wire.ts';
import type { BedrockQuirks, ReasoningQuirk } from './quirks.ts';

export interface Thinking {
  /** For `additionalModelRequestFields`. */
  readonly fields: Readonly<Record<string, Json>>;
  /** For `outputConfig.effort`. */
  readonly effort?: string;
  /** It thinks in the way that allows no forced tool and no begun answer. */
  readonly strict: boolean;
  /** It takes `temperature` and `top_p` beside it. */
  readonly sampling: boolean;
}

const PLAIN: Thinking = { fields: {}, strict: false, sampling: true };

const ORDER: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

const THREE: readonly ReasoningEffort[] = ['low', 'medium', 'high'];
const FIVE: readonly ReasoningEffort[] = ['low', 'medium', 'high', 'xhigh', 'max'];

/** Tokens to think with. */
const BUDGETS: Readonly<Record<ReasoningEffort, number>> = {
  none: 0,
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 32_768,
  max: 49_152,
};
const LEAST_BUDGET = 1024;
/** Of all tokens of the answer, what thinking may take: the answer itself needs some. */
const SHARE = 0.8;
/** What the smallest of such models can write, where nobody knows. */
const USUAL_LIMIT = 32_000;

/** Puts `reasoning_effort` into `ignored` where it has no effect, or not the one that was asked for. */
export function planThinking(request: ChatRequest, target: WireTarget<BedrockQuirks>, ignored: string[]): Thinking {
  const effort = request.reasoningEffort;
  const quirk = target.quirks.reasoning;
  if (effort === undefined) return PLAIN;
  if (!quirk) {
    // a model that cannot be told to think does not
    if (effort !== 'none') ignored.push('reasoning_effort');
    return PLAIN;
  }
  const planned = effort === 'none' ? without(quirk) : withEffort(effort, quirk, { request, target });
  if (planned) return planned;
  ignored.push('reasoning_effort');
  return effort === 'none' ? (withEffort(knownEfforts(quirk)[0] ?? 'low', quirk, { request, target }) ?? PLAIN) : PLAIN;
}

function knownEfforts({ form, efforts }: ReasoningQuirk): readonly ReasoningEffort[] {
  return efforts ?? (form === 'adaptive' ? FIVE : THREE);
}

/** Undefined where it thinks all the same. */
function without(quirk: ReasoningQuirk): Thinking | undefined {
  const { form, alwaysOn, onByDefault } = quirk;
  if (alwaysOn) return undefined;
  if (form === 'field' || form === 'object') return knownEfforts(quirk).includes('none') ? told(form, 'none') : undefined;
  if (!onByDefault) return PLAIN;
  return { ...PLAIN, fields: form === 'config' ? { reasoningConfig: { type: 'disabled' } } : { thinking: { type: 'disabled' } } };
}

interface Asked {
  readonly request: ChatRequest;
  readonly target: WireTarget<BedrockQuirks>;
}

/** Undefined where the rest of the request does not allow it. */
function withEffort(effort: ReasoningEffort, quirk: ReasoningQuirk, asked: Asked): Thinking | undefined {
  const { request, target } = asked;
  switch (quirk.form) {
    case 'budget': {
      const budget = budgetFor(effort, request.maxTokens ?? target.facts.maxOutputTokens ?? USUAL_LIMIT);
      if (budget === undefined || forcesTool(request) || answersUnsigned(request, target.provider)) return undefined;
      return { fields: { thinking: { type: 'enabled', budget_tokens: budget } }, strict: true, sampling: false };
    }
    case 'adaptive': {
      if (forcesTool(request) && !quirk.alwaysOn) return undefined;
      const thinking = { type: 'adaptive', ...(quirk.display ? { display: 'summarized' } : {}) };
      return { fields: { thinking }, effort: nearest(effort, knownEfforts(quirk)), strict: true, sampling: false };
    }
    case 'config': {
      const wanted = nearest(effort, knownEfforts(quirk));
      // with the highest effort these models take no limit; a limit is a promise, an effort is a wish
      if (wanted === 'high' && request.maxTokens !== undefined) return undefined;
      const config = { type: 'enabled', maxReasoningEffort: wanted };
      return { fields: { reasoningConfig: config }, strict: false, sampling: wanted !== 'high' };
    }
    case 'field':
    case 'object':
      return told(quirk.form, nearest(effort, knownEfforts(quirk)));
  }
}

function told(form: 'field' | 'object', effort: string): Thinking {
  return { ...PLAIN, fields: form === 'field' ? { reasoning_effort: effort } : { reasoning: { effort } } };
}

/** The effort itself, or the one that is closest to it; of two, the higher. */
function nearest(effort: ReasoningEffort, known: readonly ReasoningEffort[]): ReasoningEffort {
  const distance = (one: ReasoningEffort): number => Math.abs(ORDER.indexOf(one) - ORDER.indexOf(effort));
  return known
    .filter((one) => one !== 'none')
    .reduce((best, one) => (distance(one) <= distance(best) ? one : best), known.at(-1) ?? 'high');
}

/** Undefined where there is no room to think. */
function budgetFor(effort: ReasoningEffort, limit: number): number | undefined {
  if (limit <= LEAST_BUDGET) return undefined;
  return Math.max(LEAST_BUDGET, Math.min(BUDGETS[effort], Math.floor(limit * SHARE)));
}

const forcesTool = ({ toolChoice }: ChatRequest): boolean => toolChoice.mode === 'required' || toolChoice.mode === 'named';

/**
 * The conversation ends with results of calls that the model made without thoughts of its own: then it must not begin
 * to think, because such a turn would have to begin with signed thoughts.
 */
function answersUnsigned({ messages }: ChatRequest, provider: string): boolean {
  const last = messages.findLastIndex(({ role }) => role !== 'tool');
  const turn = messages[last];
  if (last === messages.length - 1 || turn?.role !== 'assistant') return false;
  return !turn.blocks.some((block) => block.type === 'reasoning' && block.state?.owner === provider);
}
