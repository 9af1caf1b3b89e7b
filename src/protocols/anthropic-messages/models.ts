/**
 * What the generations of models take and refuse. From the pages of platform.claude.com: models overview, migration
 * guides, adaptive thinking, effort, structured outputs, mid-conversation system messages (2026-11).
 */

export type Effort = 'low' | 'medium' | 'high' | 'xhigh' | 'max';

export interface ModelRules {
  /** Tokens of one answer at most. The API wants a limit with every request. */
  readonly maxOutput: number;
  /** How thinking is asked for: not at all, with a budget of tokens, or by `adaptive` and an effort. */
  readonly thinking: 'none' | 'budget' | 'adaptive';
  /** It thinks unless it is told not to. */
  readonly thinksByDefault: boolean;
  /** How it is told: by nothing, by a type of `thinking`, or it never stops to think. */
  readonly thinkingOff: 'omit' | 'disabled' | 'between_tools' | 'never';
  /** Its thinking comes back empty unless a summary is asked for. */
  readonly hidesThinking: boolean;
  /** Levels of `output_config.effort`, lowest first. */
  readonly efforts: readonly Effort[];
  /** Temperature and top_p: both, only one of the two, or neither. */
  readonly sampling: 'both' | 'one' | 'none';
  /** Goes on with a last turn of the assistant. */
  readonly prefill: boolean;
  /** Can be made to call a tool. */
  readonly forcedTools: boolean;
  readonly structuredOutputs: boolean;
  readonly systemTurns: boolean;
  /** Its thinking counts only after the very turns that it came after. */
  readonly boundThinking: boolean;
  /** Thinks between tool calls only with a beta header. */
  readonly interleavesByBeta: boolean;
}

const LOW_TO_HIGH = ['low', 'medium', 'high'] as const;
const ALL_EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const;

/** A model of somebody else behind the same API: what everybody takes, and nothing that needs to be known. */
const UNKNOWN: ModelRules = {
  maxOutput: 8192,
  thinking: 'none',
  thinksByDefault: false,
  thinkingOff: 'omit',
  hidesThinking: false,
  efforts: [],
  sampling: 'both',
  prefill: true,
  forcedTools: true,
  structuredOutputs: false,
  systemTurns: false,
  boundThinking: false,
  interleavesByBeta: false,
};

interface Named {
  readonly family: string;
  /** 4.5 is 405. */
  readonly version: number;
}

/** Both orders of family and version are in use, and dots as well as dashes: `claude-opus-4-5`, `claude-3-7-sonnet`. */
function nameOf(model: string): Named | undefined {
  const name = model.toLowerCase();
  const newer = /claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(name);
  if (newer) return { family: newer[1] ?? '', version: Number(newer[2]) * 100 + Number(newer[3] ?? 0) };
  const older = /claude-(\d)(?:[-.](\d))?-([a-z]+)/.exec(name);
  if (older) return { family: older[3] ?? '', version: Number(older[1]) * 100 + Number(older[2] ?? 0) };
  if (name.includes('claude-mythos')) return { family: 'mythos', version: 407 };
  if (/claude-(?:instant|v?2)/.test(name)) return { family: 'claude', version: 200 };
  // a name of a kind to come
  return name.includes('claude-') ? { family: 'claude', version: 505 } : undefined;
}

/** `reasons`: what is known of a model that is none of Anthropic's. */
export function rulesOf(model: string, reasons = false): ModelRules {
  const named = nameOf(model);
  if (!named) return reasons ? { ...UNKNOWN, thinking: 'budget' } : UNKNOWN;
  const { family, version } = named;
  const largest = family === 'fable' || family === 'mythos';
  const adaptive = version >= 406;
  const newest = version >= 505 || (largest && version >= 501);
  return {
    maxOutput: longest(named),
    thinking: adaptive ? 'adaptive' : version >= 307 ? 'budget' : 'none',
    thinksByDefault: version >= 500 || largest,
    thinkingOff: off(named),
    hidesThinking: version >= 407,
    efforts: effortsOf(named),
    sampling: version >= 407 ? 'none' : version >= 401 ? 'one' : 'both',
    prefill: !adaptive,
    forcedTools: !newest || family === 'haiku',
    structuredOutputs: version >= 405 || (version === 401 && family === 'opus'),
    systemTurns: newest || (largest && version >= 500) || (family === 'opus' && version >= 408),
    boundThinking: newest,
    interleavesByBeta: version >= 400 && !adaptive,
  };
}

function longest({ family, version }: Named): number {
  if (version >= 406) return 128_000;
  if (version >= 307) return family === 'opus' && version < 405 ? 32_000 : 64_000;
  return version >= 305 ? 8192 : 4096;
}

function off({ family, version }: Named): ModelRules['thinkingOff'] {
  if (family === 'fable' || family === 'mythos') return 'never';
  if (version < 500) return 'omit';
  if (family === 'haiku' || version < 505) return 'disabled';
  return family === 'sonnet' ? 'between_tools' : 'never';
}

function effortsOf({ family, version }: Named): readonly Effort[] {
  if (version >= 407) return ALL_EFFORTS;
  if (version === 406) return [...LOW_TO_HIGH, 'max'];
  return version === 405 && family === 'opus' ? LOW_TO_HIGH : [];
}
