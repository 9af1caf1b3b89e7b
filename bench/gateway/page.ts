/**
 * Writes a run's tables into docs/performance.md, between its two comments; what is said around them stays.
 *   node bench/run.mjs page        from bench/results/gateway.json
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/report.ts';
import { figure } from '../lib/stats.ts';
import type { Results } from './results.ts';
import { tablesOf } from './tables.ts';

const BEGIN = '<!-- gateway -->';
const END = '<!-- /gateway -->';
const FILE = 'docs/performance.md';
/** Above this before the start, the machine was not quiet. */
const BUSY_LOAD = 0.5;

function sectionOf(results: Results): string {
  const { machine, versions, plan, load, notes, seconds } = results;
  const others = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${machine.date}, commit ${machine.commit}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node.js ${machine.node.slice(1)}, ${others.join(', ')}.`,
    `${plan.rounds} rounds, ${plan.seconds} s each, ${Math.round(seconds / 60)} minutes in all. The load of the machine was ${figure(load.before)} before and ${figure(load.after)} after;`,
    `${figure(load.busyCores)} of its cores were busy in the mean, with the bench and with whatever else ran.`,
    ...(load.before > BUSY_LOAD ? ['Other programs used it meanwhile: read ratios and CPU times, not latencies and rates.'] : []),
    '',
    ...(notes.length === 0 ? [] : [...notes.map((words) => `- ${words}`), '']),
    ...tablesOf(results),
  ].join('\n');
}

/** Gives the page's path. */
export function writePage(results: Results): string {
  const file = join(ROOT, FILE);
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${FILE} has no ${BEGIN} and ${END}`);
  writeFileSync(file, `${text.slice(0, from + BEGIN.length)}\n\n${sectionOf(results).trimEnd()}\n\n${text.slice(to)}`);
  return FILE;
}

if (import.meta.main) {
  const results = JSON.parse(readFileSync(join(ROOT, 'bench', 'results', 'gateway.json'), 'utf8')) as Results;
  console.log(writePage(results));
}
