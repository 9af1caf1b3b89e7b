/** The server on a machine without network: the model that ships with the project needs none. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MODEL } from '../support/live-server.ts';
import type { OfflineResult } from '../support/offline-session.ts';

/** A network of its own with nothing in it but loopback. */
const ALONE = ['-rn', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"'];
const possible = spawnSync('unshare', [...ALONE, 'true']).status === 0;
if (!possible)
  console.log('Offline is not tested: this machine does not let "unshare -rn" and "ip link set lo up" make a network of our own.');

test('offline: the built-in model answers, and the reference is served, with no network at all', { skip: !possible }, async () => {
  const session = fileURLToPath(new URL('../support/offline-session.ts', import.meta.url));
  const { stdout } = await promisify(execFile)('unshare', [...ALONE, process.execPath, session], { timeout: 500_000 });
  const result = JSON.parse(stdout) as OfflineResult;
  assert.deepEqual(result.interfaces, ['lo']);
  assert.ok(result.models.includes(MODEL));
  assert.equal(result.status, 200);
  assert.ok(typeof result.content === 'string' && result.content.length > 0);
  assert.match(result.streamed, /data: \[DONE\]\n\n$/);
  assert.deepEqual(result.docs, [200, 200, 200]);
  assert.equal(result.exit, 0);
});
