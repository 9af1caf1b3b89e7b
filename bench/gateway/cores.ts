/** Where programs run. */
import { availableParallelism } from 'node:os';
import { hasCommand } from '../lib/process.ts';
import type { Cores } from './upstreams.ts';

/** The server has the first core, all the rest the last; undefined where programs cannot be pinned. */
export function coresOf(): Cores | undefined {
  const count = availableParallelism();
  return hasCommand('taskset') && count >= 2 ? { server: '0', load: String(count - 1) } : undefined;
}
