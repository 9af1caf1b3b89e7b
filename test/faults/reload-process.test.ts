/** `parlance serve` and its file: what is written there holds from then on, unless it is wrong. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../support/ledger.ts';
import { startServe } from '../support/serve-process.ts';
import type { ServeProcess } from '../support/serve-process.ts';

const OFF = { PARLANCE_MODELS_BUILT_IN: 'false' };
/** Nobody listens at port 9; nobody is asked either. */
const yaml = (model: string, more = ''): string => `providers:
  p:
    wire: openai-chat
    baseUrl: http://127.0.0.1:9/v1
    models: [${model}]
${more}`;

async function models(server: ServeProcess, key?: string): Promise<readonly string[] | number> {
  const answer = await fetch(`${server.url}/v1/models`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  if (!answer.ok) return answer.status;
  const { data } = (await answer.json()) as { data: readonly { id: string }[] };
  return data.map(({ id }) => id);
}

/** Does something and waits for what the server says of it. */
async function until(server: ServeProcess, msg: string, act: () => unknown): Promise<Readonly<Record<string, unknown>>> {
  const from = server.log.length;
  await act();
  return server.logged((line) => line.msg === msg, from);
}

const TAKEN = 'configuration taken';
const REFUSED = 'the configuration cannot be used, the old one stays';

test('serve: a change of the file holds for the next request; a wrong one is reported with its lines and changes nothing', async () => {
  await using server = await startServe(OFF, yaml('one'));
  assert.deepEqual(await models(server), ['p/one']);

  await until(server, TAKEN, () => server.write(yaml('two', 'keys: [open-sesame]\n')));
  assert.equal(await models(server), 401);
  assert.deepEqual(await models(server, 'open-sesame'), ['p/two']);

  const refused = await until(server, REFUSED, () => server.write('server:\n  strict: perhaps\nlgo:\n  level: info\n'));
  const problems = refused['problems'] as readonly string[];
  assert.equal(problems.length, 2, JSON.stringify(problems));
  assert.ok(
    problems.some((problem) => /parlance\.yaml:2: server\.strict: /.test(problem)),
    JSON.stringify(problems),
  );
  assert.ok(
    problems.some((problem) => /parlance\.yaml:3: lgo: unknown setting/.test(problem)),
    JSON.stringify(problems),
  );
  assert.deepEqual(await models(server, 'open-sesame'), ['p/two']);

  // without its file it would have no keys
  await until(server, REFUSED, () => rm(server.file));
  assert.equal(await models(server), 401);

  await until(server, TAKEN, () => server.write(yaml('three')));
  assert.deepEqual(await models(server), ['p/three']);

  // in its place: where the machine is busy, it may have been seen empty before
  await writeFile(server.file, yaml('over'));
  await eventually(
    () => models(server),
    (now) => typeof now !== 'number' && now.includes('p/over'),
  );

  const warned = until(server, 'these settings take effect after a restart', () => server.write(yaml('four', 'engine: {queue: 3}\n')));
  assert.deepEqual((await warned)['settings'], ['engine.queue']);
  assert.deepEqual(await models(server), ['p/four']);
  server.kill('SIGTERM');
  assert.equal(await server.ended, 0);
});

test('serve: on SIGHUP the file is read, also where it is not watched', { skip: process.platform === 'win32' }, async () => {
  await using server = await startServe(OFF, yaml('one', 'watch: false\n'));
  await writeFile(server.file, yaml('two', 'watch: false\n'));
  assert.deepEqual(await models(server), ['p/one']);
  const taken = await until(server, TAKEN, () => server.kill('SIGHUP'));
  assert.equal(taken['why'], 'SIGHUP');
  assert.deepEqual(await models(server), ['p/two']);

  await writeFile(server.file, 'keys: 7\n');
  const refused = await until(server, REFUSED, () => server.kill('SIGHUP'));
  assert.match(String(refused['problems']), /parlance\.yaml:1: keys: must be a list/);
  assert.deepEqual(await models(server), ['p/two']);

  // it is watched from now on
  await writeFile(server.file, yaml('three'));
  await until(server, TAKEN, () => server.kill('SIGHUP'));
  await server.write(yaml('four'));
  await eventually(
    () => models(server),
    (now) => typeof now !== 'number' && now.includes('p/four'),
  );
  assert.deepEqual(await models(server), ['p/four']);
  server.kill('SIGTERM');
  assert.equal(await server.ended, 0);
});
