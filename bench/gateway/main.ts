/** npm run bench: Parlance beside others, in turns; the server on one core, the upstream and the load on another. */
import { loadavg } from 'node:os';
import { busySeconds, familyMemory, familyOf } from '../lib/proc.ts';
import { hasCommand, outputOf, pause } from '../lib/process.ts';
import { machine, versionOf, writeResults } from '../lib/report.ts';
import { median } from '../lib/stats.ts';
import { wrongness } from './asked.ts';
import type { Asked } from './asked.ts';
import { direct } from './candidates/bare.ts';
import { KINDS } from './candidates/all.ts';
import { isAbsent } from './candidates/candidate.ts';
import type { Candidate } from './candidates/candidate.ts';
import type { Case } from './cases.ts';
import { coresOf } from './cores.ts';
import { busy, halfLoad, heldMemory, paced, SETTLE_MS } from './measure.ts';
import type { Conditions } from './measure.ts';
import { writePage } from './page.ts';
import { BUSY, MANY_CONNECTIONS, OTHER_CONNECTIONS, readPlan } from './plan.ts';
import type { CaseResult, Results, Run } from './results.ts';
import { tablesOf } from './tables.ts';
import { startUpstreams } from './upstreams.ts';
import type { Upstreams } from './upstreams.ts';

const BENCH_FOLDER = new URL('..', import.meta.url).pathname;
const UPSTREAM = 'upstream';

const plan = readPlan(process.argv.slice(2));
const notes: string[] = [];
const note = (words: string): void => {
  notes.push(words);
  console.log(words);
};
const cores = coresOf();
if (!cores) note('There is no taskset, or one core only: server and load share what there is.');
if (!hasCommand('wrk')) note('There is no wrk (Debian: apt-get install wrk): a client in Node asks, which is slower.');
if (!hasCommand('nginx')) note('There is no nginx (Debian: apt-get install nginx): the upstream is a small Node server, which is slower.');

interface Entrant {
  readonly candidate: Candidate;
  /** MiB, before anybody asked. */
  readonly rest: number;
}

async function startAll(upstreams: Upstreams): Promise<readonly Entrant[]> {
  const entrants: Entrant[] = [];
  for (const kind of KINDS.filter(({ id }) => plan.candidates.includes(id))) {
    const candidate = await kind.start({ upstreams, cores, quick: plan.quick });
    if (isAbsent(candidate)) {
      note(`${candidate.absent}.`);
      continue;
    }
    await pause(SETTLE_MS);
    entrants.push({ candidate, rest: candidate.pids.reduce((sum, pid) => sum + familyMemory(pid), 0) });
  }
  return entrants;
}

interface Turn {
  readonly id: string;
  readonly asked: Asked;
  readonly run: Run;
}

/** Whoever answers this case rightly; the others are noted. */
async function whoCan(of: Case, entrants: readonly Entrant[]): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  for (const { candidate } of entrants) {
    const asked = candidate.asked(of);
    if (!asked) continue;
    // streams that stay open have no end to look at
    const wrong = of.answers === 'held' ? undefined : await wrongness(asked);
    if (wrong === undefined) turns.push({ id: candidate.id, asked, run: { busy: {}, half: [], paced: {}, problems: [] } });
    else note(`${candidate.name}, ${of.name}: ${wrong.replaceAll(/\s+/g, ' ')}`);
  }
  return turns;
}

/** Each in its turn, the order moving on with every round. One that fails is noted and gets no more turns here. */
async function inTurns(
  turns: readonly Turn[],
  { rounds, measure }: { rounds: number; measure: (turn: Turn) => Promise<void> },
): Promise<void> {
  const out = new Set<Turn>();
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < turns.length; at++) {
      const turn = turns[(round + at) % turns.length];
      if (!turn || out.has(turn)) continue;
      try {
        await measure(turn);
      } catch (cause) {
        out.add(turn);
        turn.run.problems.push(cause instanceof Error ? cause.message : String(cause));
        note(`${turn.asked.name}: ${turn.run.problems.at(-1) ?? ''}`);
      }
    }
  }
}

async function measureBusy(of: Case, turns: readonly Turn[], conditions: Conditions): Promise<void> {
  const connections = [...(plan.parts.includes('busy') ? [BUSY] : []), ...otherConnections(of)];
  for (const each of connections) {
    if (plan.warm > 0) {
      const warm = { connections: each, seconds: plan.warm };
      await inTurns(turns, { rounds: 1, measure: async ({ asked }) => void (await busy(asked, warm, { ...conditions, patient: false })) });
    }
    await inTurns(turns, {
      rounds: plan.rounds,
      async measure({ asked, run }) {
        (run.busy[each] ??= []).push(await busy(asked, { connections: each, seconds: plan.seconds }, conditions));
      },
    });
  }
}

function otherConnections({ id }: Case): readonly number[] {
  if (!plan.parts.includes('connections') || !MANY_CONNECTIONS.includes(id)) return [];
  return plan.quick ? OTHER_CONNECTIONS.slice(0, 1) : OTHER_CONNECTIONS;
}

/** At half of what each could do at most, in this very run. */
async function measureHalf(turns: readonly Turn[], without: Asked, conditions: Conditions): Promise<void> {
  const seconds = plan.quick ? 1 : 3;
  await inTurns(turns, {
    rounds: plan.rounds,
    async measure({ id, asked, run }) {
      if (id === UPSTREAM) return;
      const most = median((run.busy[BUSY] ?? []).map(({ value }) => value.requestsPerSecond));
      if (!(most > 0)) return;
      run.half.push(
        await halfLoad({ asked, direct: without }, { rate: plan.quick ? Math.min(50, most / 2) : most / 2, seconds }, conditions),
      );
    },
  });
}

async function measurePaced(of: Case, turns: readonly Turn[], conditions: Conditions): Promise<void> {
  const connections = [...(plan.parts.includes('busy') ? [plan.quick ? 4 : BUSY] : []), ...otherConnections(of)];
  for (const each of connections) {
    await inTurns(turns, {
      rounds: plan.rounds,
      async measure({ asked, run }) {
        (run.paced[each] ??= []).push(await paced(asked, { connections: each, of }, conditions));
      },
    });
  }
}

async function measureCase(of: Case, entrants: readonly Entrant[], { upstreams, conditions }: Running): Promise<CaseResult> {
  const candidates = await whoCan(of, entrants);
  const without = direct(upstreams, of);
  const self: Turn = { id: UPSTREAM, asked: without, run: { busy: {}, half: [], paced: {}, problems: [] } };
  if (of.answers === 'held') {
    if (!plan.parts.includes('memory')) return { id: of.id, name: of.name, runs: {} };
    await inTurns(candidates, {
      rounds: 1,
      async measure({ asked, run }) {
        run.held = await heldMemory(asked, plan.held, cores);
      },
    });
  } else if (of.answers === 'paced') await measurePaced(of, [...candidates, self], conditions);
  else {
    await measureBusy(of, of.format === 'openai' ? [...candidates, self] : candidates, conditions);
    if (plan.parts.includes('half') && of.format === 'openai') await measureHalf(candidates, without, conditions);
  }
  process.stderr.write(`${of.name}: done\n`);
  return { id: of.id, name: of.name, runs: Object.fromEntries([...candidates, self].map(({ id, run }) => [id, run])) };
}

interface Running {
  readonly upstreams: Upstreams;
  readonly conditions: Conditions;
}

const facts = machine();
const startedAt = performance.now();
const busyBefore = busySeconds();
const upstreams = await startUpstreams(cores);
const entrants = await startAll(upstreams);
const cases: CaseResult[] = [];
let after: readonly number[] = [];
try {
  const pids = [...upstreams.pids, ...entrants.flatMap(({ candidate }) => candidate.pids.flatMap(familyOf))];
  const conditions = { cores, pids, patient: plan.patient };
  for (const of of plan.cases) cases.push(await measureCase(of, entrants, { upstreams, conditions }));
  await pause(SETTLE_MS);
  after = entrants.map(({ candidate }) => candidate.pids.reduce((sum, pid) => sum + familyMemory(pid), 0));
} finally {
  for (const { candidate } of entrants) await candidate.stop();
  await upstreams.stop();
}

const seconds = (performance.now() - startedAt) / 1000;
const results: Results = {
  machine: facts,
  versions: {
    undici: versionOf('undici', BENCH_FOLDER),
    fastify: versionOf('fastify', BENCH_FOLDER),
    ...(hasCommand('wrk') ? { wrk: /wrk (?:debian\/)?(\S+)/.exec(outputOf('wrk', ['-v']) ?? '')?.[1] ?? '' } : {}),
    ...(hasCommand('nginx') ? { nginx: /nginx\/(\S+)/.exec(outputOf('nginx', ['-v']) ?? '')?.[1] ?? '' } : {}),
  },
  plan: { quick: plan.quick, rounds: plan.rounds, seconds: plan.seconds },
  load: { before: facts.load, after: loadavg()[0] ?? Number.NaN, busyCores: (busySeconds() - busyBefore) / seconds },
  seconds,
  notes,
  candidates: entrants.map(({ candidate: { id, name, version }, rest }, at) => ({
    id,
    name,
    version,
    rest,
    after: after[at] ?? Number.NaN,
  })),
  cases,
};
for (const table of tablesOf(results)) console.log(`\n${table}`);
console.log(writeResults(plan.quick ? 'gateway-quick' : 'gateway', results));
if (plan.page) console.log(writePage(results));
// in a short run only this is judged
const failures = cases.flatMap(({ runs }) => Object.values(runs).flatMap(({ problems }) => problems));
if (plan.quick && (failures.length > 0 || notes.some((words) => words.includes('answered ')))) process.exitCode = 1;
