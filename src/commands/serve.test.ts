import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { main } from '../main.ts';
import { fakeIo } from './output-testing.ts';

test('serve: the first start on a terminal shows an admin key, once', { timeout: 300_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-serve-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const config = join(dir, 'parlance.yaml');
  await writeFile(config, 'models: {builtIn: false}\nlog: {level: silent}\n');
  const start = async (use: (url: string, shown: string) => Promise<void>): Promise<void> => {
    const io = fakeIo({ terminal: true });
    const ended = main(['serve', '--port', '0', '--data-dir', dir, '--models-dir', dir, '--config', config], io);
    await Promise.race([io.shows(/serves this machine only[^]*\n\n/), ended]);
    const [, url = ''] = /answers at .*?(http:[^\s\u001b]+)\/v1/.exec(io.out()) ?? [];
    await use(url, io.out());
    process.emit('SIGTERM', 'SIGTERM');
    assert.equal(await ended, 0, io.err());
    process.removeAllListeners('SIGTERM').removeAllListeners('SIGINT').removeAllListeners('SIGHUP');
  };
  await start(async (url, shown) => {
    const [key = ''] = /pk-[0-9A-Za-z]{42}/.exec(shown) ?? [];
    const answer = await fetch(`${url}/admin/v1/keys`, { headers: { authorization: `Bearer ${key}` } });
    const { data } = (await answer.json()) as { data: readonly { name: string; role: string }[] };
    assert.deepEqual(
      data.map(({ name, role }) => [name, role]),
      [['First admin key', 'admin']],
    );
  });
  await start(async (_url, shown) => assert.doesNotMatch(shown, /pk-/));
});
