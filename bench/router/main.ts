/** bench/router: what choosing among three targets costs a request, beside one: CPU time of this process, in turns. */
import { loadavg } from 'node:os';
import { createAttempts } from '../../src/gateway/attempts.ts';
import { orderTargets } from '../../src/gateway/balance.ts';
import { createHealthBook, DEFAULT_BREAKER } from '../../src/gateway/health.ts';
import type { Ticket } from '../../src/gateway/health.ts';
import { createLine } from '../../src/gateway/line.ts';
import type { RoutePolicy } from '../../src/gateway/route.ts';
import type { ChatRequest } from '../../src/core/chat.ts';
import { machine, readOptions, writeResults } from '../lib/report.ts';
import { figure, markdown, median, shown, spread } from '../lib/stats.ts';
import type { Table } from '../lib/stats.ts';
import { backend, callOf, LONG, routeOf, SHORT } from './parts.ts';

const options = readOptions(process.argv.slice(2));
const rounds = options.rounds ?? (options.quick ? 1 : 11);
const requests = options.quick ? 2000 : 100_000;
/** So many requests are on their way at any time. */
const IN_FLIGHT = 16;
const AIM_MICROSECONDS = 10;

interface Case {
  readonly name: string;
  readonly policy: Partial<RoutePolicy>;
  readonly request: ChatRequest;
}

const CASES: readonly Case[] = [
  ...(['ordered', 'weighted', 'least-busy', 'lowest-latency', 'cheapest'] as const).map((strategy) => ({
    name: strategy,
    policy: { strategy },
    request: SHORT,
  })),
  { name: 'weighted, sticky', policy: { strategy: 'weighted', sticky: 'auto' }, request: SHORT },
  { name: 'weighted, sticky, 100 kB', policy: { strategy: 'weighted', sticky: 'auto' }, request: LONG },
];

type Run = (count: number) => void | Promise<void>;

const now = (): number => performance.now();
const bookOf = () => createHealthBook({ settings: DEFAULT_BREAKER, now });

/** Ordering, entering and settling alone. */
function choosing(targets: number, { policy, request }: Case): Run {
  const route = routeOf(targets, policy);
  const health = bookOf();
  const running: (Ticket | undefined)[] = Array.from({ length: IN_FLIGHT });
  let turn = 0;
  return (count) => {
    for (let sent = 0; sent < count; sent++) {
      const call = callOf(request);
      turn = (turn + 1) % IN_FLIGHT;
      running[turn]?.succeed();
      const [first] = orderTargets(route, { call, health, random: Math.random });
      const entry = first && health.enter(first);
      if (entry?.ok !== true) throw new Error('a target that works was refused');
      entry.ticket.firstOutput(100 + (turn % 7));
      running[turn] = entry.ticket;
    }
  };
}

/** The whole loop of attempts around a backend that answers at once. */
function attempting(targets: number, { policy, request }: Case): Run {
  const route = routeOf(targets, policy);
  const attempt = createAttempts({ health: bookOf(), random: Math.random, now, line: createLine(100) });
  return async (count) => {
    for (let sent = 0; sent < count; sent++) await attempt(route, callOf(request));
  };
}

/** What the loop is compared with. */
function asking({ request, policy }: Case): Run {
  const [only] = routeOf(1, policy).targets;
  if (!only) throw new Error('a route has a target');
  return async (count) => {
    for (let sent = 0; sent < count; sent++) await backend.chat(callOf(request), only.target);
  };
}

/** CPU microseconds of one request, of all threads of this process. */
async function measured(run: Run, count: number): Promise<number> {
  const before = process.cpuUsage();
  await run(count);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

interface Result {
  readonly name: string;
  /** By number of targets (0: without a router), a figure for each round. */
  readonly microseconds: readonly { readonly targets: number; readonly rounds: number[] }[];
}

async function inTurns(of: Case, runs: ReadonlyMap<number, Run>, count: number): Promise<Result> {
  const found = [...runs.keys()].map((targets) => ({ targets, rounds: [] as number[] }));
  for (const run of runs.values()) await run(count / 2);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < found.length; turn++) {
      const one = found[(round + turn) % found.length];
      const run = one && runs.get(one.targets);
      if (run) one.rounds.push(await measured(run, count));
    }
  }
  return { name: of.name, microseconds: found };
}

const figuresOf = ({ microseconds }: Result, targets: number): readonly number[] =>
  microseconds.find((one) => one.targets === targets)?.rounds ?? [];

/** What three cost more than one, round by round. */
const moreOf = (result: Result): number => {
  const one = figuresOf(result, 1);
  return median(figuresOf(result, 3).map((value, round) => value - (one[round] ?? Number.NaN)));
};

function tableOf(title: string, columns: readonly number[], results: readonly Result[]): Table {
  const names = columns.map((targets) => (targets === 0 ? 'no router' : targets === 1 ? 'one target' : `${targets} targets`));
  return {
    title: `${title}: CPU µs a request, the median of ${rounds} rounds (lowest–highest)`,
    columns: ['', ...names, 'three more than one'],
    rows: results.map((result) => [
      result.name,
      ...columns.map((targets) => shown(spread(figuresOf(result, targets)))),
      figure(moreOf(result)),
    ]),
  };
}

const facts = machine();
const choice: Result[] = [];
const whole: Result[] = [];
for (const of of CASES) {
  const runs = new Map([1, 3, 8].map((targets) => [targets, choosing(targets, of)]));
  choice.push(await inTurns(of, runs, requests));
}
for (const of of CASES) {
  const runs = new Map<number, Run>([[0, asking(of)], ...[1, 3].map((targets) => [targets, attempting(targets, of)] as const)]);
  whole.push(await inTurns(of, runs, requests / 4));
}

const tables = [
  tableOf('Choosing a target (order, enter, first output, settle)', [1, 3, 8], choice),
  tableOf('The whole loop of attempts, around a backend that answers at once', [0, 1, 3], whole),
];
for (const table of tables) console.log(markdown(table));
const worst = Math.max(...choice.map(moreOf), ...whole.map(moreOf));
console.log(
  `Three targets cost at most ${figure(worst)} µs more than one (aim: under ${AIM_MICROSECONDS}). ` +
    `Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`,
);
console.log(
  `\n${writeResults(options.quick ? 'router-quick' : 'router', { machine: facts, rounds, requests, tables, choosing: choice, attempts: whole })}`,
);
