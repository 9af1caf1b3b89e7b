import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../config.ts';
import type { Config } from '../config/settings.ts';
import { createFollower } from './reload.ts';

test('reload: where there was no file at the start, one that appears in a usual place is taken, and is the one from then on', async () => {
  const home = mkdtempSync(join(tmpdir(), 'parlance-reload-'));
  const sources = { env: { XDG_CONFIG_HOME: home }, flags: {} };
  const taken: Config[] = [];
  let wake = (): void => undefined;
  const next = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const apply = (config: Config) => {
    taken.push(config);
    wake();
    return { afterRestart: [] };
  };
  const follower = createFollower(sources, { settleMs: 5, emptyMs: 5, pollMs: 10 });
  try {
    follower.follow({ apply }, loadConfig(sources), pino({ level: 'silent' }));
    const file = join(home, 'parlance', 'parlance.yaml');
    const appeared = next();
    mkdirSync(join(home, 'parlance'));
    writeFileSync(file, 'models: {hide: [a]}');
    await appeared;
    assert.deepEqual([taken[0]?.file, taken[0]?.models.names.hide], [file, ['a']]);

    // without the file everything would be as at first, which nobody has asked for
    rmSync(file);
    await follower.reload('a test');
    assert.equal(taken.length, 1);
    const came = next();
    writeFileSync(file, 'models: {hide: [b]}');
    await came;
    assert.deepEqual(taken.at(-1)?.models.names.hide, ['b']);
  } finally {
    follower.stop();
    rmSync(home, { recursive: true });
  }
});
