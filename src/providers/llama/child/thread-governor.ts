/**
 * How many threads a step decodes with. The threads of a decode wait for each other by spinning: where another
 * program takes one of their cores, a step takes ten times as long, and fewer threads are faster. So both choices are
 * timed on small steps, the faster one is used, and the other is looked at again now and then, at once when steps
 * become slow.
 */
export interface ThreadGovernor {
  threads(): number;
  /** What a step took with `threads()` in which so many sequences generated. */
  report(sequences: number, ms: number): void;
  /** The same of a piece of a prompt. */
  reportPrompt(tokens: number, ms: number): void;
}

/** Shorter pieces of prompts tell nothing: a token of theirs takes longer. */
const TELLING_PIECE = 16;
/** Steps until the slower choice is timed again; while another program is there, first soon, then twice as late each time. */
const LOOK_AGAIN = { usual: 256, contendedFirst: 8, contendedLast: 64 };
/** This much slower than usual, so many times in a row, is a reason to look at once. */
const SLOW = { factor: 1.8, steps: 3 };
/** Weight of a new time in the average. */
const WEIGHT = 0.25;

/** The place of prompts among the sizes of steps; their times are of a token. */
const PROMPT = -1;

interface Timing {
  full: number | undefined;
  fewer: number | undefined;
}

export function createThreadGovernor(most: number): ThreadGovernor {
  const fewer = Math.max(1, most >> 1);
  const timings = new Map<number, Timing>();
  let best: keyof Timing = 'full';
  let current: keyof Timing = 'full';
  let sinceLook = 0;
  let slowSteps = 0;
  let contendedLook = LOOK_AGAIN.contendedFirst;

  const note = (timing: Timing, ms: number): void => {
    const known = timing[current];
    // A look back at the other choice counts in full: what it took before was another time.
    timing[current] = known === undefined || current !== best ? ms : known + (ms - known) * WEIGHT;
  };

  const judge = (timing: Timing, ms: number, untried: boolean): void => {
    const usual = timing[current];
    slowSteps = current === best && usual !== undefined && ms > usual * SLOW.factor ? slowSteps + 1 : 0;
    note(timing, ms);
    const other = best === 'full' ? 'fewer' : 'full';
    if (current !== best) {
      // The look is over: take the faster one.
      sinceLook = 0;
      slowSteps = 0;
      const faster = (timing.fewer ?? ms) < (timing.full ?? ms) ? 'fewer' : 'full';
      contendedLook = faster === best ? Math.min(contendedLook * 2, LOOK_AGAIN.contendedLast) : LOOK_AGAIN.contendedFirst;
      best = faster;
      current = best;
      return;
    }
    sinceLook++;
    const due = best === 'full' ? LOOK_AGAIN.usual : contendedLook;
    if ((untried && timing[other] === undefined) || sinceLook >= due || slowSteps >= SLOW.steps) current = other;
  };

  const timingOf = (size: number): Timing => {
    const timing = timings.get(size) ?? { full: undefined, fewer: undefined };
    timings.set(size, timing);
    return timing;
  };

  return {
    threads: () => (current === 'full' ? most : fewer),
    report(sequences, ms) {
      if (fewer !== most) judge(timingOf(Math.ceil(Math.log2(sequences))), ms, true);
    },
    reportPrompt(tokens, ms) {
      // A piece with fewer threads costs a tenth of a second where nothing is wrong: only slowness is a reason.
      if (fewer !== most && tokens >= TELLING_PIECE) judge(timingOf(PROMPT), ms / tokens, false);
    },
  };
}
