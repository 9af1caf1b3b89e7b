/** wrk: asks as fast as answers come. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { familySeconds } from '../lib/proc.ts';
import { endsWithUs } from '../lib/process.ts';
import type { Asked } from './asked.ts';
import type { Cores } from './upstreams.ts';

export interface Loaded {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Of the server's process, all its threads, user and system, a request; NaN for the upstream itself. */
  readonly cpuMicroseconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Summary {
  readonly requests: number;
  readonly microseconds: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
}

export interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly cores: Cores | undefined;
}

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url));

/** Rejects where an answer was an error. */
export async function withWrk(asked: Asked, { connections, seconds, cores }: LoadOptions): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-bench-'));
  const file = join(folder, 'body');
  writeFileSync(file, asked.body);
  const headers = Object.entries(asked.headers).map(([name, value]) => `${name}: ${value}`);
  const wrk = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '-s', SCRIPT, asked.url];
  const [command = 'wrk', ...args] = cores === undefined ? wrk : ['taskset', '-c', cores.load, ...wrk];
  const before = cpuOf(asked);
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BENCH_BODY: file, BENCH_HEADERS: headers.join('\n') },
  });
  endsWithUs(child);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  const cpu = cpuOf(asked) - before;
  rmSync(folder, { recursive: true });
  const line = output.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`wrk said: ${output}`);
  const { requests, microseconds, failed, p50, p99 } = JSON.parse(line) as Summary;
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`);
  return {
    requests,
    requestsPerSecond: (requests / microseconds) * 1e6,
    cpuMicroseconds: (cpu / requests) * 1e6,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
  };
}

const cpuOf = ({ pid }: Asked): number => (pid === undefined ? Number.NaN : familySeconds(pid));
