import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadConfig } from '../config.ts';
import { main } from '../main.ts';
import { serving } from '../providers/http-testing.ts';
import { ggufBytes } from '../providers/llama/gguf-testing.ts';
import { startFakeHub } from '../providers/llama/hub-testing.ts';
import { createLibrary } from '../providers/llama/library.ts';
import { startFakeServer } from './chat-testing.ts';
import { listAll } from './models-all.ts';
import { fakeIo, type FakeIoOptions } from './output-testing.ts';

const MODEL = ggufBytes({ tensors: [50_000] });

async function folder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-models-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function models(words: readonly string[], dir: string, options: FakeIoOptions = {}) {
  const io = fakeIo(options);
  const code = await main(['models', ...words, '--models-dir', dir], io);
  return { code, out: io.out(), err: io.err() };
}

test('models: the list shows id, size, quantisation, context and origin', async (context) => {
  const dir = await folder(context);
  await writeFile(join(dir, 'tiny.gguf'), MODEL);
  const { code, out, err } = await models([], dir);
  assert.equal(code, 0);
  assert.equal(err, '');
  const [head, builtIn, tiny] = out.split('\n');
  assert.match(head ?? '', /^ID +SIZE +QUANT +CONTEXT +ORIGIN$/);
  assert.match(builtIn ?? '', /^smollm2-135m-instruct +98\.4 MB +Q4_1 +8192 +built-in$/);
  assert.match(tiny ?? '', /^tiny +\d+ kB +Q4_K_M +512 +folder$/);
});

test('models: without a verb and with list it is the same', async (context) => {
  const dir = await folder(context);
  assert.deepEqual(await models(['list'], dir), await models([], dir));
});

test('models: --all shows the models of providers too, and who could not be asked', async (context) => {
  const dir = await folder(context);
  const provider = await startFakeServer({ models: ['large', 'small'] });
  const gone = await startFakeServer();
  await gone.close();
  context.after(() => provider.close());
  const env = {
    PARLANCE_PROVIDERS: JSON.stringify({
      acme: {
        wire: 'openai-chat',
        baseUrl: `${provider.url}/v1`,
        models: [{ id: 'large', pricing: { input: 1.5, output: 6 } }],
        listModels: true,
      },
      gone: { wire: 'openai-chat', baseUrl: `${gone.url}/v1` },
    }),
    PARLANCE_MODELS_ALIASES: JSON.stringify({ best: 'acme/large' }),
    PARLANCE_MODELS_DENY: 'acme/small',
  };
  const { code, out, err } = await models(['--all'], dir, { env });
  assert.equal(code, 0);
  const [head, ...rows] = out.trimEnd().split('\n');
  assert.match(head ?? '', /^ID +CONTEXT +INPUT +OUTPUT +PROVIDER$/);
  assert.deepEqual(
    rows.map((row) => row.replaceAll(/ +/g, ' ')),
    ['best - $1.5 $6 acme', 'smollm2-135m-instruct 8192 - - this machine', 'acme/large - $1.5 $6 acme'],
  );
  assert.match(err, /^warning: provider gone: 127\.0\.0\.1:\d+ refused the connection\.\n$/);
  const parsed = JSON.parse((await models(['list', '--all', '--json'], dir, { env })).out) as {
    data: { id: string }[];
    failures: { provider: string }[];
  };
  assert.deepEqual([parsed.data.length, parsed.failures.map((one) => one.provider)], [3, ['gone']]);
  assert.equal(provider.requests.length, 0);
});

test('models: --all does not wait for a provider that is silent', { timeout: 120_000 }, async (context) => {
  const silent = await serving(() => undefined);
  context.after(() => silent.stop());
  const env = {
    HOME: '/does/not/exist',
    XDG_CONFIG_HOME: '/does/not/exist',
    PARLANCE_MODELS_BUILT_IN: 'false',
    PARLANCE_PROVIDERS: JSON.stringify({ acme: { wire: 'openai-chat', baseUrl: `${silent.url}/v1` } }),
  };
  const library = createLibrary({ dir: await folder(context), builtIn: false });
  const { cards, failures } = await listAll({ config: loadConfig({ env, flags: {} }), library, env, patienceMs: 50 });
  assert.deepEqual([cards, failures], [[], [{ provider: 'acme', message: 'no answer within 0.05 s' }]]);
});

test('models: unusable files are warned of on stderr, and are in the JSON', async (context) => {
  const dir = await folder(context);
  await writeFile(join(dir, 'broken.gguf'), 'no');
  const { err, out } = await models(['list'], dir);
  assert.match(err, /^warning: .*broken\.gguf: not a GGUF file: it begins with "no"$/m);
  assert.doesNotMatch(out, /broken/);
  const { out: json } = await models(['list', '--json'], dir);
  const parsed = JSON.parse(json) as { models: { id: string; bytes: number; contextLength: number }[]; problems: { path: string }[] };
  assert.deepEqual(
    [parsed.models[0]?.id, parsed.models[0]?.bytes, parsed.models[0]?.contextLength],
    ['smollm2-135m-instruct', 98_362_432, 8192],
  );
  assert.equal(parsed.problems[0]?.path, join(dir, 'broken.gguf'));
});

test('models: show tells a model’s facts, and what was probably meant', async (context) => {
  const dir = await folder(context);
  const { code, out } = await models(['show', 'smollm2-135m-instruct'], dir);
  assert.equal(code, 0);
  assert.match(out, /^parameters +134,515,008$/m);
  assert.match(out, /^licence +apache-2\.0$/m);
  const wrong = await models(['show', 'smollm2-135-instruct'], dir);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /there is no model "smollm2-135-instruct", did you mean "smollm2-135m-instruct"\?/);
  const part = await models(['show', 'smoll'], dir);
  assert.match(part.err, /did you mean "smollm2-135m-instruct"/);
});

test('models: a wrong verb, a missing and a superfluous word are usage errors', async (context) => {
  const dir = await folder(context);
  for (const [words, message] of [
    [['lits'], /unknown: models lits, did you mean models list\?/],
    [['show'], /models show needs the id of a model/],
    [['pull'], /needs what to pull, as hf:USER\/REPO/],
    [['list', 'x'], /models list takes no "x"/],
    [['rm', 'a', 'b'], /models rm takes no "b"/],
    [['--jsn'], /unknown flag --jsn, did you mean --json\?/],
  ] as const) {
    const { code, err } = await models(words, dir);
    assert.equal(code, 2, words.join(' '));
    assert.match(err, message);
    assert.match(err, /See: parlance help models/);
  }
});

async function hub(context: TestContext, sha256?: string) {
  const fake = await startFakeHub({
    repos: { 'user/repo': { 'm-Q4_K_M.gguf': { bytes: MODEL, ...(sha256 === undefined ? {} : { sha256 }) } } },
  });
  context.after(() => fake.close());
  return fake;
}

test('models: pull downloads a model, and list shows it', async (context) => {
  const dir = await folder(context);
  const { url } = await hub(context);
  const env = { PARLANCE_HUB_URL: url };
  const { code, out, err } = await models(['pull', 'hf:user/repo'], dir, { env });
  assert.equal(code, 0, err);
  assert.match(out, /^Pulled user\/repo:Q4_K_M into /);
  assert.match(err, /^user\/repo:Q4_K_M, \d+ kB$/m);
  assert.match(err, /^Downloading 100 % of /m);
  assert.match((await models([], dir)).out, /^user\/repo:Q4_K_M .* hub$/m);
  const again = await models(['pull', 'hf:user/repo', '--json'], dir, { env });
  assert.equal((JSON.parse(again.out) as { already: boolean }).already, true);
});

test('models: on a terminal pull draws a bar and takes it away', async (context) => {
  const dir = await folder(context);
  const { url } = await hub(context);
  const { err } = await models(['pull', 'hf:user/repo'], dir, { env: { PARLANCE_HUB_URL: url }, terminal: true });
  assert.match(err, /\r\u001b\[KDownloading {2}\[#+-*\] {2}/);
  assert.ok(err.endsWith('\r\u001b[K'));
});

test('models: the token of the environment is sent to the hub', async (context) => {
  const dir = await folder(context);
  const fake = await hub(context);
  await models(['pull', 'hf:user/repo'], dir, { env: { PARLANCE_HUB_URL: fake.url, HF_TOKEN: 'hf_test' } });
  assert.equal(fake.seen[0]?.headers.authorization, 'Bearer hf_test');
});

test('models: a failed pull exits with 1 and says why', async (context) => {
  const dir = await folder(context);
  const { url } = await hub(context, 'e'.repeat(64));
  const { code, err } = await models(['pull', 'hf:user/repo'], dir, { env: { PARLANCE_HUB_URL: url } });
  assert.equal(code, 1);
  assert.match(err, /^error: what was downloaded is not what the hub promised/m);
});

test('models: Ctrl-C stops a pull, keeps what came, and says how to go on', async (context) => {
  const dir = await folder(context);
  const fake = await hub(context);
  fake.turns.push({ do: 'hang', after: Math.ceil(MODEL.length * 0.75) });
  const io = fakeIo({ env: { PARLANCE_HUB_URL: fake.url } });
  const running = main(['models', 'pull', 'hf:user/repo', '--models-dir', dir], io);
  await io.shows(/Downloading 70 %/);
  io.interrupt();
  assert.equal(await running, 130);
  assert.match(io.err(), /Stopped\. What has come so far is kept: parlance models pull hf:user\/repo continues there\./);
  assert.deepEqual((await readdir(join(dir, 'user/repo/Q4_K_M'))).sort(), ['m-Q4_K_M.gguf.part', 'm-Q4_K_M.gguf.part.etag']);
});

test('models: rm deletes a pulled model with all that belongs to it', async (context) => {
  const dir = await folder(context);
  const { url } = await hub(context);
  await models(['pull', 'hf:user/repo'], dir, { env: { PARLANCE_HUB_URL: url } });
  const { code, out } = await models(['rm', 'user/repo:Q4_K_M', '--yes'], dir);
  assert.equal(code, 0);
  assert.equal(out, 'Deleted user/repo:Q4_K_M\n');
  assert.deepEqual(await readdir(dir), []);
});

test('models: rm asks on a terminal, and deletes on yes alone', async (context) => {
  const dir = await folder(context);
  const path = join(dir, 'tiny.gguf');
  await writeFile(path, MODEL);
  for (const [answer, code, left] of [
    ['\n', 1, 1],
    ['n\n', 1, 1],
    [undefined, 1, 1],
    ['y\n', 0, 0],
  ] as const) {
    const io = fakeIo({ terminal: true });
    const running = main(['models', 'rm', 'tiny', '--models-dir', dir], io);
    await io.shows(/Delete tiny, .*tiny\.gguf\? \[y\/N\]/);
    io.stdin.end(answer);
    assert.equal(await running, code, answer);
    assert.equal((await readdir(dir)).length, left);
  }
});

test('models: rm without a terminal wants --yes', async (context) => {
  const dir = await folder(context);
  await writeFile(join(dir, 'tiny.gguf'), MODEL);
  const { code, err } = await models(['rm', 'tiny'], dir);
  assert.equal(code, 2);
  assert.match(err, /say --yes/);
  assert.equal((await readdir(dir)).length, 1);
});

test('models: the built-in model cannot be removed, and it is said how to hide it', async (context) => {
  const dir = await folder(context);
  const { code, err } = await models(['rm', 'smollm2-135m-instruct', '--yes'], dir);
  assert.equal(code, 1);
  assert.match(err, /is part of Parlance and cannot be removed. models.builtIn: false/);
});

test('models: control characters in a file name do not reach the terminal', async (context) => {
  const dir = await folder(context);
  await writeFile(join(dir, 'evil\u001b]0;title\u0007.gguf'), MODEL);
  const { out } = await models([], dir, { terminal: true, env: { NO_COLOR: '1' } });
  assert.doesNotMatch(out, /\u001b/);
});
