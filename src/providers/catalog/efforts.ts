/** How rows spell `reasoning_effort`. */
import type { BodyFields } from '../../protocols/openai-chat/quirks.ts';
import type { ReasoningEffort } from '../../core/chat.ts';

export type Efforts = Readonly<Partial<Record<ReasoningEffort, BodyFields>>>;

/** Levels by other levels, in the same field. A level without one has no effect. */
export function leveled(levels: Readonly<Partial<Record<ReasoningEffort, string>>>): Efforts {
  return Object.fromEntries(Object.entries(levels).map(([effort, level]) => [effort, { reasoning_effort: level }]));
}

/** All levels but `none` are one. */
export function onOrOff({ none, others }: { readonly none: BodyFields; readonly others: BodyFields }): Efforts {
  return { none, minimal: others, low: others, medium: others, high: others, xhigh: others, max: others };
}

/** Always thinks, at three levels. */
export const LOW_TO_HIGH: Efforts = leveled({ minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'high', max: 'high' });

/** Always thinks, at the levels low, high and max. */
export const LOW_HIGH_MAX: Efforts = leveled({ minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'max', max: 'max' });
