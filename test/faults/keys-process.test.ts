/** Keys across processes: `parlance keys` beside a server that runs, and the first start. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '../support/ledger.ts';
import { startServe } from '../support/serve-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-keys-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** What keys look like in these tests. */
interface Shown {
  readonly id: string;
  readonly key: string;
}

const run = promisify(execFile);

/** `parlance keys …` as a process of its own; its JSON. */
async function keys<T = Shown>(dir: string, ...words: readonly string[]): Promise<T> {
  const { stdout } = await run(process.execPath, ['src/main.ts', 'keys', ...words, '--json', '--data-dir', dir], { cwd: root });
  return JSON.parse(stdout) as T;
}

test('keys: a server that runs takes keys from parlance keys, and lets them go within a second', { timeout: 300_000 }, async (t) => {
  const dir = await folder(t);
  await using server = await startServe({
    PARLANCE_DATA_DIR: dir,
    PARLANCE_SERVER_REQUIRE_KEY: 'true',
    // where the database answers late, nobody is let in meanwhile
    PARLANCE_DATA_OUTAGE: '0s',
  });
  const statusOf = async (key: string): Promise<number> =>
    (await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;
  const made = await keys(dir, 'create', '--name', 'ci');
  await eventually(
    () => statusOf(made.key),
    (status) => status === 200,
  );
  // requests all the while, and the moment from which none was let in any more
  const statuses: { readonly at: number; readonly status: number }[] = [];
  const stop = { now: false };
  const asking = (async () => {
    while (!stop.now) statuses.push({ at: performance.now(), status: await statusOf(made.key) });
  })();
  await keys(dir, 'revoke', made.id);
  const revokedBy = performance.now();
  while (performance.now() - revokedBy < 1500) await statusOf('pk-none');
  stop.now = true;
  await asking;
  const lastGood = statuses.findLast(({ status }) => status === 200)?.at ?? 0;
  assert.ok(lastGood < revokedBy + 1000, `let in ${Math.round(lastGood - revokedBy)} ms after it was revoked`);
  await eventually(
    () => statusOf(made.key),
    (status) => status === 401,
  );
  const log = JSON.stringify(server.log);
  assert.ok(!log.includes(made.key));
});

test('keys: without a terminal no key is made that nobody would see', { timeout: 300_000 }, async (t) => {
  const dir = await folder(t);
  await using server = await startServe({ PARLANCE_DATA_DIR: dir });
  assert.ok(!JSON.stringify(server.log).includes('pk-'));
  assert.deepEqual(await keys<readonly Shown[]>(dir, 'list'), []);
  // and none was needed: it serves this machine
  assert.equal((await fetch(`${server.url}/v1/models`)).status, 200);
});
