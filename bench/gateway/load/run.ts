/** Runs the client in a process of its own, on the core of the load. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endsWithUs } from '../../lib/process.ts';
import type { Asked } from '../asked.ts';
import type { Cores } from '../upstreams.ts';
import type { How, Order, Result } from './client.ts';

const CLIENT = fileURLToPath(new URL('./client.ts', import.meta.url));

export interface Held {
  readonly result: Result;
  /** Lets the client go, and with it all that it holds open. */
  release(): Promise<void>;
}

async function run({ url, headers, body }: Asked, how: How, cores: Cores | undefined): Promise<Held> {
  const order: Order = { request: { url, headers, body }, how };
  const node = [process.execPath, CLIENT, JSON.stringify(order)];
  const [command = '', ...args] = cores === undefined ? node : ['taskset', '-c', cores.load, ...node];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  endsWithUs(child);
  const closed = once(child, 'close');
  let output = '';
  child.stdout.setEncoding('utf8');
  for await (const text of child.stdout as AsyncIterable<string>) {
    output += text;
    if (output.endsWith('}\n')) break;
  }
  if (!output.endsWith('}\n')) throw new Error(`the client ended without a result: ${output}`);
  const result = JSON.parse(output) as Result;
  return {
    result,
    async release() {
      child.stdin.end();
      await closed;
    },
  };
}

/** Rejects where an answer was none. */
export async function load(asked: Asked, how: How, cores: Cores | undefined): Promise<Result> {
  const { result, release } = await run(asked, how, cores);
  await release();
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.failed + result.answered} failed: ${result.failure ?? ''}`);
  return result;
}

/** Opens streams, and holds them until they are released. */
export async function hold(asked: Asked, count: number, cores: Cores | undefined): Promise<Held> {
  return run(asked, { kind: 'held', count }, cores);
}
