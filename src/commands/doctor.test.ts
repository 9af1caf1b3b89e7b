import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadConfig } from '../config.ts';
import { main } from '../main.ts';
import { probeEngine } from '../providers/llama/probe.ts';
import { startFakeServer } from './chat-testing.ts';
import { cgroupCpus, checkEngine, checkGpu, checkMemory, checkNode, checkProcessor, type Finding } from './doctor-machine.ts';
import { checkAccess, checkConfig, checkModels, checkPort } from './doctor-setup.ts';
import { fakeIo } from './output-testing.ts';

const ENV = { HOME: '/does/not/exist', XDG_CONFIG_HOME: '/does/not/exist' };
const configOf = (env: Record<string, string> = {}) => loadConfig({ env: { ...ENV, ...env }, flags: {} });

async function folder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-doctor-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('doctor: on a sound machine nothing is to mend', { timeout: 300_000 }, async (context) => {
  const io = fakeIo();
  const code = await main(['doctor', '--json', '--port', '0', '--models-dir', await folder(context)], io);
  const { ok, findings } = JSON.parse(io.out()) as { ok: boolean; findings: Finding[] };
  assert.deepEqual(
    findings.filter(({ status }) => status === 'fail'),
    [],
  );
  assert.deepEqual([code, ok, io.err()], [0, true, '']);
  assert.deepEqual(
    findings.map(({ check }) => check),
    ['node', 'processor', 'memory', 'engine', 'gpu', 'built-in model', 'configuration', 'models folder', 'port', 'access'],
  );
});

test('doctor: what is to mend is told with what to do, and the exit code is 1', { timeout: 300_000 }, async (context) => {
  const dir = await folder(context);
  const file = join(dir, 'parlance.yaml');
  await writeFile(file, 'server:\n  port: many\n  hots: x\n');
  const io = fakeIo();
  assert.equal(await main(['doctor', '--config', file], io), 1);
  assert.match(io.out(), /^FAIL {2}configuration +.*parlance\.yaml:2: server\.port: must be an integer/m);
  assert.match(io.out(), /^FAIL {2}configuration +.*parlance\.yaml:3: server\.hots: unknown setting, did you mean "host"\?/m);
  assert.match(io.out(), /docs\/configuration\.md/);
  assert.match(io.out(), /\n2 to mend\n$/);
  assert.match(io.out(), /^ok +built-in model/m, 'what does not need the configuration is still checked');
});

test('doctor: the native library loads in a process of its own', { timeout: 300_000 }, async () => {
  const probe = await probeEngine('off');
  assert.ok(probe.ok, JSON.stringify(probe));
  assert.equal(probe.facts.gpu, false);
  assert.equal(checkEngine(probe).status, 'ok');
});

test('doctor: a library that crashes, throws or says nothing is a finding', async (context) => {
  const dir = await folder(context);
  const broken = async (program: string) => {
    const path = join(dir, `${crypto.randomUUID()}.mjs`);
    await writeFile(path, program);
    return checkEngine(await probeEngine('off', pathToFileURL(path)));
  };
  const crashed = await broken("process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);");
  assert.equal(crashed.status, 'fail');
  assert.match(crashed.message, /does not load: its process died of SIGSEGV/);
  assert.match(crashed.advice ?? '', /npm ci --ignore-scripts/);
  assert.match(
    (await broken("throw new Error('libgomp.so.1: cannot open shared object file')")).message,
    /code 1: Error: libgomp\.so\.1: cannot open/,
  );
  assert.match((await broken('')).message, /its process said nothing/);
});

test('doctor: a Node that is too old is to mend', () => {
  assert.equal(checkNode('v24.0.0').status, 'ok');
  assert.match(checkNode('v20.11.0').message, /v20\.11\.0 .*needs 24 or newer/);
  assert.equal(checkNode('v20.11.0').status, 'fail');
});

test('doctor: the cgroup’s share of the processor is read in both versions', async (context) => {
  const root = await folder(context);
  assert.equal(cgroupCpus(root), undefined);
  await mkdir(join(root, 'cpu'));
  await writeFile(join(root, 'cpu/cpu.cfs_quota_us'), '-1\n');
  await writeFile(join(root, 'cpu/cpu.cfs_period_us'), '100000\n');
  assert.equal(cgroupCpus(root), undefined);
  await writeFile(join(root, 'cpu/cpu.cfs_quota_us'), '250000\n');
  assert.equal(cgroupCpus(root), 2.5);
  await writeFile(join(root, 'cpu.max'), 'max 100000\n');
  assert.equal(cgroupCpus(root), undefined);
  await writeFile(join(root, 'cpu.max'), '50000 100000\n');
  assert.equal(cgroupCpus(root), 0.5);
});

test('doctor: less than a core, and a processor without AVX2, are warned of', () => {
  assert.equal(checkProcessor('AVX2 = 1', 4).status, 'ok');
  assert.equal(checkProcessor('AVX2 = 1', 0.5).status, 'warn');
  if (process.arch === 'x64') assert.match(checkProcessor('CPU : SSE3 = 1 |', undefined).message, /without AVX2/);
  assert.equal(checkProcessor(undefined, undefined).status, 'ok');
});

test('doctor: too little memory is warned of, with both numbers', async () => {
  const config = configOf({ PARLANCE_ENGINE_CONTEXT_SIZE: '1024', PARLANCE_ENGINE_SEQUENCES: '2' });
  const finding = await checkMemory(config, 100e6);
  assert.equal(finding.status, 'warn');
  // 98 MB of weights, 2 × 1024 tokens of 23,040 bytes, and 350 MB for the processes
  assert.match(finding.message, /^100 MB available; .* some 496 MB with 2 × 1024 tokens$/);
  assert.equal((await checkMemory(config, 500e6)).status, 'ok');
});

test('doctor: a graphics card’s binaries that are not used are warned of', async (context) => {
  const dir = await folder(context);
  const from = pathToFileURL(join(dir, 'node_modules/node-llama-cpp/dist/index.js')).href;
  const cpu = { ok: true, facts: { gpu: false, devices: [], system: '' } } as const;
  assert.match(checkGpu(cpu, from, 'auto').message, /no binaries for graphics cards are installed/);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  await mkdir(join(dir, `node_modules/@node-llama-cpp/${platform}-${process.arch}-vulkan/bins`), { recursive: true });
  assert.match(checkGpu(cpu, from, 'auto').message, /for vulkan are installed and not in use/);
  assert.equal(checkGpu(cpu, from, 'off').status, 'ok');
  const card = { ok: true, facts: { gpu: 'vulkan', devices: ['Card'], system: '' } } as const;
  assert.equal(checkGpu(card, from, 'auto').message, 'vulkan: Card');
});

test('doctor: unusable model files are warnings, no model at all is to mend', async (context) => {
  const dir = await folder(context);
  await writeFile(join(dir, 'x.gguf'), 'nonsense');
  const config = configOf({ PARLANCE_MODELS_DIR: dir });
  const [place, problem, ...more] = await checkModels(config);
  assert.match(place?.message ?? '', /; 1 model, .* free$/);
  assert.equal(problem?.status, 'warn');
  assert.match(problem.message, /x\.gguf: not a GGUF file/);
  assert.equal(more.length, 0);
  const without = await checkModels(configOf({ PARLANCE_MODELS_DIR: dir, PARLANCE_MODELS_BUILT_IN: 'false' }));
  assert.match(without.at(-1)?.message ?? '', /there is no model to answer with/);
  assert.equal(without.at(-1)?.status, 'fail');
});

test('doctor: a models folder that is none is to mend, one that is not there yet is not', async (context) => {
  const dir = await folder(context);
  await writeFile(join(dir, 'file'), '');
  const [none] = await checkModels(configOf({ PARLANCE_MODELS_DIR: join(dir, 'file') }));
  assert.match(none?.message ?? '', /is no folder/);
  const [later] = await checkModels(configOf({ PARLANCE_MODELS_DIR: join(dir, 'a/b') }));
  assert.equal(later?.status, 'ok');
  assert.match(later.message, /made when it is needed/);
});

test('doctor: a models folder that may not be written is warned of', { skip: process.getuid?.() === 0 }, async (context) => {
  const dir = await folder(context);
  await chmod(dir, 0o500);
  const [place] = await checkModels(configOf({ PARLANCE_MODELS_DIR: dir }));
  assert.equal(place?.status, 'warn');
});

test('doctor: the port is free, taken by Parlance, or taken by another', async (context) => {
  const at = (port: number) => checkPort(configOf({ PARLANCE_PORT: String(port) }));
  const parlance = await startFakeServer();
  context.after(() => parlance.close());
  assert.match((await at(parlance.port)).message, /^Parlance 9\.9\.9 answers at/);
  const other = createServer((socket) => socket.end('no HTTP\n')).listen(0, '127.0.0.1');
  context.after(() => other.close());
  await once(other, 'listening');
  const address = other.address();
  assert.ok(address !== null && typeof address === 'object');
  const taken = await at(address.port);
  assert.equal(taken.status, 'fail');
  assert.match(taken.message, /another program answers at 127\.0\.0\.1:/);
  const free = await startFakeServer();
  await free.close();
  assert.match((await at(free.port)).message, /is free$/);
});

test('doctor: an address that is not of this machine is to mend', async () => {
  // TEST-NET-3 of RFC 5737, nobody's
  const config = configOf({ PARLANCE_HOST: '203.0.113.7', PARLANCE_API_KEYS: 'k', PARLANCE_PORT: '40404' });
  const finding = await checkPort(config);
  assert.equal(finding.status, 'fail');
  assert.match(finding.message, /listening on 203\.0\.113\.7:40404 fails \(EADDRNOTAVAIL\)/);
});

test('doctor: who may reach the server is told; the open world without any key is refused by the configuration', () => {
  assert.equal(checkAccess(configOf()).message, 'this machine only, without a key');
  assert.match(
    checkAccess(configOf({ PARLANCE_HOST: '0.0.0.0', PARLANCE_API_KEYS: 'a,b' })).message,
    /other machines at 0\.0\.0\.0, with 2 keys in the configuration, and those of parlance keys/,
  );
  assert.match(checkAccess(configOf({ PARLANCE_SERVER_REQUIRE_KEY: 'true' })).message, /this machine only, with 0 keys in the conf/);
  const env = { ...ENV, PARLANCE_HOST: '0.0.0.0', PARLANCE_DATA_ENABLED: 'false' };
  const { config, findings } = checkConfig({ env, flags: {} });
  assert.equal(config, undefined);
  assert.equal(findings[0]?.status, 'fail');
});
