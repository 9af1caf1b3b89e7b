/**
 * Asks one server in one of four ways, and says as one line of JSON what came of it. A process of its own, on the core of the load.
 *   node client.ts '{"request": …, "how": {"kind": "open", "rate": 1000, "seconds": 3}}'
 */
import { bytesOf, clock, openConnection } from './connection.ts';
import type { Answer, Connection, Request } from './connection.ts';
import { quantile } from '../../lib/stats.ts';

export type How =
  /** As fast as answers come. */
  | { readonly kind: 'closed'; readonly connections: number; readonly seconds: number }
  /** So many answers in all, as fast as they come. */
  | { readonly kind: 'counted'; readonly connections: number; readonly count: number }
  /** So many requests a second, whether those before were answered or not; times count from when a request was due. */
  | { readonly kind: 'open'; readonly rate: number; readonly seconds: number }
  /** Streams of words that are times: so many at once, so many one after another. They begin within a word's time of each other. */
  | { readonly kind: 'timed'; readonly connections: number; readonly each: number; readonly within: number }
  /** Opens so many streams, says so, and holds them until its standard input ends. */
  | { readonly kind: 'held'; readonly count: number };

export interface Order {
  readonly request: Request;
  readonly how: How;
}

/** Milliseconds. */
export interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

export interface Result {
  readonly answered: number;
  readonly failed: number;
  /** What the first of those that failed said. */
  readonly failure?: string | undefined;
  /** How long it took in all. */
  readonly seconds: number;
  readonly whole?: Times;
  readonly firstWord?: Times;
  /** Between two words of a stream, as they were read. */
  readonly gap?: Times;
  /** From a word's sending until it was read. */
  readonly delay?: Times;
}

const { request, how } = JSON.parse(process.argv[2] ?? '{}') as Order;
const port = Number(new URL(request.url).port);
const bytes = bytesOf(request);

const whole: number[] = [];
const firstWord: number[] = [];
const gap: number[] = [];
const delay: number[] = [];
let answered = 0;
let failed = 0;
let failure: string | undefined;

function noteFailure(words: string): void {
  failed++;
  failure ??= words;
}

/** `dueAt`: when it should have gone out. */
function noteAnswer(answer: Answer, dueAt: number): void {
  if (answer.status !== 200) return noteFailure(`${answer.status}: ${answer.text}`);
  answered++;
  whole.push(answer.endedAt - dueAt);
  if (!Number.isNaN(answer.firstWordAt)) firstWord.push(answer.firstWordAt - dueAt);
  for (const [at, { sentAt, readAt }] of answer.words.entries()) {
    delay.push(readAt - sentAt);
    const before = answer.words[at - 1];
    if (before) gap.push(readAt - before.readAt);
  }
}

const times = (values: readonly number[]): Times => ({
  p50: quantile(values, 0.5),
  p99: quantile(values, 0.99),
  worst: quantile(values, 1),
});

function asked(connection: Connection, timed: boolean): Promise<void> {
  const dueAt = clock();
  return new Promise((resolve) => {
    connection.ask(
      {
        ended(answer) {
          noteAnswer(answer, dueAt);
          resolve();
        },
        failed(cause) {
          noteFailure(cause.message);
          resolve();
        },
      },
      timed,
    );
  });
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function closedLoop({ connections, seconds }: Extract<How, { kind: 'closed' }>): Promise<void> {
  const until = clock() + seconds * 1000;
  const one = async (): Promise<void> => {
    const connection = openConnection(port, bytes);
    while (clock() < until) await asked(connection, false);
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, one));
}

async function countedLoop({ connections, count }: Extract<How, { kind: 'counted' }>): Promise<void> {
  let left = count;
  const one = async (): Promise<void> => {
    const connection = openConnection(port, bytes);
    while (left-- > 0) await asked(connection, false);
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, one));
}

/** Node's timers know whole milliseconds; this waits for less, and lets others have the core meanwhile. */
const NAP_MS = 0.05;
const nap = new Int32Array(new SharedArrayBuffer(4));
/** Beyond these, requests wait for a connection; the wait counts as theirs. */
const MOST_CONNECTIONS = 2000;
/** Answers that take longer after the last request count as failed. */
const PATIENCE_MS = 60_000;

/** Answers of the first moments are not counted: connections are made then. */
const WARM_MS = 500;

async function openLoop({ rate, seconds }: Extract<How, { kind: 'open' }>): Promise<void> {
  const idle: Connection[] = [];
  const due: number[] = [];
  const under = new Set<Connection>();
  let open = 0;
  const startedAt = clock();
  const free = (): Connection | undefined => {
    const one = idle.pop();
    if (one || open >= MOST_CONNECTIONS) return one;
    open++;
    return openConnection(port, bytes);
  };
  const send = (connection: Connection, dueAt: number): void => {
    const back = (): void => {
      under.delete(connection);
      idle.push(connection);
    };
    under.add(connection);
    connection.ask(
      {
        ended(answer) {
          if (dueAt > startedAt + WARM_MS) noteAnswer(answer, dueAt);
          back();
        },
        failed(cause) {
          noteFailure(cause.message);
          back();
        },
      },
      false,
    );
  };
  const endAt = startedAt + WARM_MS + seconds * 1000;
  // at random moments, not at even steps: evenly spaced requests never wait for each other
  const gapMs = (): number => (-Math.log(1 - Math.random()) / rate) * 1000;
  let nextAt = startedAt + gapMs();
  while (nextAt < endAt || under.size > 0 || due.length > 0) {
    const now = clock();
    if (now > endAt + PATIENCE_MS) break;
    for (; nextAt <= now && nextAt < endAt; nextAt += gapMs()) due.push(nextAt);
    while (due.length > 0) {
      const connection = free();
      if (!connection) break;
      send(connection, due.shift() ?? now);
    }
    await turn();
    if (due.length === 0 && nextAt - clock() > NAP_MS) Atomics.wait(nap, 0, 0, NAP_MS);
  }
  if (under.size + due.length > 0) noteFailure(`${under.size + due.length} were not answered within a minute`);
}

async function timedStreams({ connections, each, within }: Extract<How, { kind: 'timed' }>): Promise<void> {
  const one = async (_: unknown, at: number): Promise<void> => {
    await after((at / connections) * within);
    const connection = openConnection(port, bytes);
    for (let count = 0; count < each; count++) await asked(connection, true);
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, one));
}

/** Streams that are begun at the same time, at most. */
const BEGINNING = 50;
/** Until all of them have begun. */
const OPENING_MS = 60_000;

async function heldStreams({ count }: Extract<How, { kind: 'held' }>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next++ < count) {
      const connection = openConnection(port, bytes);
      await new Promise<void>((resolve) => {
        const ended = (words: string): void => {
          noteFailure(words);
          resolve();
        };
        connection.ask(
          {
            begun() {
              answered++;
              resolve();
            },
            ended: ({ status, text }) => ended(`ended with ${status}: ${text}`),
            failed: (cause) => ended(cause.message),
          },
          false,
        );
      });
    }
  };
  const all = Promise.all(Array.from({ length: BEGINNING }, one)).then(() => true);
  const whole = await Promise.race([all, after(OPENING_MS).then(() => false)]);
  if (!whole) noteFailure(`${count - answered} had not begun after ${OPENING_MS / 1000} s`);
}

const startedAt = clock();
switch (how.kind) {
  case 'closed':
    await closedLoop(how);
    break;
  case 'counted':
    await countedLoop(how);
    break;
  case 'open':
    await openLoop(how);
    break;
  case 'timed':
    await timedStreams(how);
    break;
  case 'held':
    await heldStreams(how);
    break;
}
const result: Result = {
  answered,
  failed,
  failure,
  seconds: (clock() - startedAt) / 1000,
  ...(whole.length > 0 ? { whole: times(whole) } : {}),
  ...(firstWord.length > 0 ? { firstWord: times(firstWord) } : {}),
  ...(gap.length > 0 ? { gap: times(gap) } : {}),
  ...(delay.length > 0 ? { delay: times(delay) } : {}),
};
console.log(JSON.stringify(result));
if (how.kind === 'held') {
  process.stdin.resume();
  process.stdin.on('end', () => process.exit());
} else process.exit();
