/** The processes of a server with several workers, as Linux shows them, and connections to each of them. */
import { readFileSync } from 'node:fs';
import { openConnection } from './keep-alive.ts';
import type { Connection } from './keep-alive.ts';
import type { ServeProcess } from './serve-process.ts';

export const workersMissing = process.platform === 'linux' ? false : 'looks at processes as Linux shows them';

export const authorized = (secret: string) => ({ authorization: `Bearer ${secret}` });

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // gone meanwhile
    return '';
  }
}

const childrenOf = (pid: number): readonly number[] => read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);

const having = ({ pid }: ServeProcess, program: string): readonly number[] =>
  childrenOf(pid).filter((one) => read(`/proc/${one}/cmdline`).includes(program));

export const workersOf = (server: ServeProcess): readonly number[] => having(server, 'workers/main.ts');
export const enginesOf = (server: ServeProcess): readonly number[] => having(server, 'llama/child/main.ts');

/** Of these processes, those that are there; zombies are not. */
export const alive = (pids: readonly number[]): readonly number[] =>
  pids.filter((pid) => /^State:\s+[^Z]/m.test(read(`/proc/${pid}/status`)));

/** The worker that answered a request, as the log calls it. */
export async function workerOf(server: ServeProcess, id: unknown): Promise<string> {
  return String((await server.logged((line) => line['id'] === id && line.msg === 'request'))['worker']);
}

/** An open connection to each of so many workers. */
export async function toEach(server: ServeProcess, count: number, secret = ''): Promise<readonly Connection[]> {
  const byWorker = new Map<string, Connection>();
  for (let tries = 0; byWorker.size < count; tries++) {
    if (tries > 50) throw new Error(`connections came to ${byWorker.size} workers alone`);
    const connection = openConnection(server.url);
    const { headers } = await connection.ask('/v1/models', secret === '' ? {} : { headers: authorized(secret) });
    const worker = await workerOf(server, headers['x-request-id']);
    if (byWorker.has(worker)) connection.close();
    else byWorker.set(worker, connection);
  }
  return [...byWorker.values()];
}
