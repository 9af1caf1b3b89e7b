import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterRestart, refuseLive } from './live.ts';
import { ConfigError } from './problems.ts';
import { load } from './testing.ts';

test('live: a server that other machines reach goes on to need keys, whatever host the new configuration names', () => {
  const open = load('{server: {host: 0.0.0.0}, keys: [one]}');
  const closed = load('{}');
  assert.throws(
    () => refuseLive(closed, open),
    (error) => error instanceof ConfigError && /server\.requireKey.*"0\.0\.0\.0".*need no key/.test(error.problems.join()),
  );
  refuseLive(load('{keys: [two]}'), open);
  refuseLive(load('{server: {requireKey: true}}'), open);
  refuseLive(closed, load('{keys: [one]}'));
});

test('live: settings of the address, the engine and the folder of models are named where they differ', () => {
  const started = load('{engine: {sequences: 2}}');
  assert.deepEqual(afterRestart(started, started), []);
  const next = load('{server: {host: localhost, port: 1, strict: true}, engine: {idleUnload: 1m}, models: {dir: /m}, keys: [k]}');
  assert.deepEqual(afterRestart(next, started), ['server.host', 'server.port', 'models.dir', 'engine.sequences', 'engine.idleUnload']);
});
