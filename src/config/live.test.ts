import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../config.ts';
import { afterRestart, refuseLive } from './live.ts';
import { ConfigError } from './problems.ts';

const folder = mkdtempSync(join(tmpdir(), 'parlance-live-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'parlance.yaml');

const config = (yaml: string) => {
  writeFileSync(file, yaml);
  return loadConfig({ file, env: {}, flags: {} });
};

test('live: a server that other machines reach goes on to need keys, whatever host the new configuration names', () => {
  const open = config('{server: {host: 0.0.0.0}, keys: [one]}');
  const closed = config('{}');
  assert.throws(
    () => refuseLive(closed, open),
    (error) => error instanceof ConfigError && /server\.requireKey.*"0\.0\.0\.0".*need no key/.test(error.problems.join()),
  );
  refuseLive(config('{keys: [two]}'), open);
  refuseLive(config('{server: {requireKey: true}}'), open);
  refuseLive(closed, config('{keys: [one]}'));
});

test('live: settings of the address, the engine and the folder of models are named where they differ', () => {
  const started = config('{engine: {sequences: 2}}');
  assert.deepEqual(afterRestart(started, started), []);
  const next = config('{server: {host: localhost, port: 1, strict: true}, engine: {idleUnload: 1m}, models: {dir: /m}, keys: [k]}');
  assert.deepEqual(afterRestart(next, started), ['server.host', 'server.port', 'models.dir', 'engine.sequences', 'engine.idleUnload']);
});
