/** How much is measured, and of what. */
import { parseArgs } from 'node:util';
import { CASES } from './cases.ts';
import type { Case } from './cases.ts';
import { KINDS } from './candidates/all.ts';

export const PARTS = ['busy', 'connections', 'half', 'memory'] as const;
export type Part = (typeof PARTS)[number];

export interface Plan {
  /** Tiny numbers: proves that the bench works and that everybody answers rightly, says nothing about speed. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Seconds of a warm-up before the first round, and of each measurement. */
  readonly warm: number;
  readonly seconds: number;
  readonly cases: readonly Case[];
  /** Ids of candidates. */
  readonly candidates: readonly string[];
  readonly parts: readonly Part[];
  /** Streams that are held open. */
  readonly held: number;
  readonly patient: boolean;
  /** Writes docs/performance.md. */
  readonly page: boolean;
}

/** Connections of most measurements. */
export const BUSY = 32;
/** The others, for cases that stand for many. */
export const OTHER_CONNECTIONS = [1, 1000] as const;
export const MANY_CONNECTIONS: readonly string[] = ['short', 'stream', 'paced'];

/** What a short run looks at. */
const QUICK_CASES = new Set(['short', 'tools', 'stream', 'paced', 'held', 'short-anthropic', 'stream-gemini']);
const QUICK_CANDIDATES = ['bare', 'bare-fastify', 'off', 'on', 'portkey'];
const QUICK_PARTS: readonly Part[] = ['busy', 'half', 'memory'];

export const HELP = `npm run bench -- [flags]
  --quick             small numbers, for CI: judges only that everybody answers rightly
  --rounds=N          rounds; figures are medians (5)
  --seconds=N         of each measurement (2)
  --warm=N            seconds before the first of a case: until V8 has compiled what runs often (10)
  --only=A,B          candidates: ${KINDS.map(({ id }) => id).join(', ')}
  --cases=A,B         cases: ${CASES.map(({ id }) => id).join(', ')}
  --parts=A,B         parts: ${PARTS.join(', ')}
  --held=N            streams that are held open (5000)
  --impatient         does not wait for other programs to leave the machine alone
  --page              writes docs/performance.md
Others: npm run bench -- engine | hot | memory | translate | router | store | soak | page`;

/** Words that there are; anything else ends the program with 2. */
function chosen<T extends string>(flag: string, text: string | undefined, known: readonly T[]): readonly T[] {
  if (text === undefined) return known;
  const words = text.split(',');
  const unknown = words.find((word) => !known.some((one) => one === word));
  if (unknown !== undefined) refuse(`--${flag} knows ${known.join(', ')}, not ${unknown}`);
  return known.filter((one) => words.includes(one));
}

function refuse(words: string): never {
  console.error(`${words}\n\n${HELP}`);
  process.exit(2);
}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  warm: { type: 'string' },
  only: { type: 'string' },
  cases: { type: 'string' },
  parts: { type: 'string' },
  held: { type: 'string' },
  impatient: { type: 'boolean', default: false },
  page: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

export function readPlan(args: readonly string[]): Plan {
  const { values } = parsed(args);
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const number = (flag: 'rounds' | 'seconds' | 'warm' | 'held', otherwise: number): number => {
    const text = values[flag];
    if (text === undefined) return otherwise;
    return Number(text) >= 1 ? Number(text) : refuse(`--${flag} is a number of at least 1`);
  };
  const { quick } = values;
  const ids = KINDS.map(({ id }) => id);
  const cases = chosen(
    'cases',
    values.cases,
    CASES.map(({ id }) => id),
  );
  return {
    quick,
    rounds: number('rounds', quick ? 1 : 5),
    warm: quick ? 0 : number('warm', 10),
    seconds: number('seconds', quick ? 1 : 2),
    cases: CASES.filter(({ id }) => cases.includes(id) && (!quick || values.cases !== undefined || QUICK_CASES.has(id))),
    candidates: quick && values.only === undefined ? QUICK_CANDIDATES : chosen('only', values.only, ids),
    parts: quick && values.parts === undefined ? QUICK_PARTS : chosen('parts', values.parts, PARTS),
    held: number('held', quick ? 100 : 5000),
    patient: !quick && !values.impatient,
    page: values.page,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS });
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : String(cause));
  }
}
