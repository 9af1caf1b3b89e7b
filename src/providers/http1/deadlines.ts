/** One timer for all that is waited for: what is waited for changes with every request, and nearly never takes too long. */

export interface Awaited {
  /** By `performance.now()`, Infinity for never. */
  readonly deadline: number;
  late(): void;
}

export interface Deadlines {
  add(awaited: Awaited): void;
  delete(awaited: Awaited): void;
  /** Something is late at this moment that was not before. A moment that passes without anything late costs little. */
  expect(deadline: number): void;
}

/** How long after its deadline something may be noticed to be late, where many have theirs one after another. */
const SLACK_MS = 20;

export function createDeadlines(): Deadlines {
  const all = new Set<Awaited>();
  let timer: NodeJS.Timeout | undefined;
  let nextLook = Infinity;

  const expect = (deadline: number, soonest = 0): void => {
    if (deadline >= nextLook) return;
    clearTimeout(timer);
    nextLook = deadline;
    const wait = Math.max(Math.ceil(deadline - performance.now()), soonest);
    // connections keep the process alive as long as it is needed, not this
    timer = setTimeout(look, Math.min(wait, LONGEST_MS)).unref();
  };

  const look = (): void => {
    nextLook = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const awaited of all) {
      if (awaited.deadline <= now) awaited.late();
      else next = Math.min(next, awaited.deadline);
    }
    if (next < Infinity) expect(next, SLACK_MS);
  };

  return {
    add: (awaited) => void all.add(awaited),
    delete(awaited) {
      all.delete(awaited);
      if (all.size > 0) return;
      clearTimeout(timer);
      nextLook = Infinity;
    },
    expect,
  };
}

/** Node's timers know no more. */
const LONGEST_MS = 2 ** 31 - 1;
