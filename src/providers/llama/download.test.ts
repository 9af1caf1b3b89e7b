import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createMeter, type Progress } from './download-meter.ts';
import { pullModel, type PullOptions } from './download-model.ts';
import { ggufBytes, TINY, u32 } from './gguf-testing.ts';
import { sha256, startFakeHub, type FakeHub, type FakeHubOptions } from './hub-testing.ts';
import { createLibrary } from './library.ts';
import { readManifest } from './library-manifest.ts';

/** Large enough to come in several reads. */
const MODEL = ggufBytes({ tensors: [100_000] });
const REPO = 'user/repo-GGUF';
const PLACE = 'user/repo-GGUF/Q4_K_M';
const NAME = 'm-Q4_K_M.gguf';

interface Set {
  readonly hub: FakeHub;
  readonly dir: string;
  readonly pull: (more?: Partial<PullOptions>) => ReturnType<typeof pullModel>;
}

async function start(context: TestContext, options: Partial<FakeHubOptions> = {}): Promise<Set> {
  const hub = await startFakeHub({ repos: { [REPO]: { [NAME]: { bytes: MODEL } } }, ...options });
  const dir = await mkdtemp(join(tmpdir(), 'parlance-pull-'));
  context.after(async () => {
    await hub.close();
    await rm(dir, { recursive: true });
  });
  const pull: Set['pull'] = (more) =>
    pullModel({ reference: `hf:${REPO}`, hub: { url: hub.url }, dir, retry: { attempts: 4, delayMs: 1 }, ...more });
  return { hub, dir, pull };
}

const storeRequests = (hub: FakeHub) => hub.seen.filter(({ server }) => server === 'store');

async function leavePart(dir: string, bytes: Buffer, etag?: string): Promise<string> {
  const part = join(dir, PLACE, `${NAME}.part`);
  await mkdir(dirname(part), { recursive: true });
  await writeFile(part, bytes);
  if (etag !== undefined) await writeFile(`${part}.etag`, etag);
  return part;
}

test('pull: a model is downloaded, checked, and in the library under its name', async (context) => {
  const { dir, pull } = await start(context);
  const progress: Progress[] = [];
  assert.deepEqual(await pull({ onProgress: (one) => progress.push(one) }), {
    id: `${REPO}:Q4_K_M`,
    bytes: MODEL.length,
    dir: join(dir, PLACE),
    already: false,
  });
  assert.deepEqual((await readdir(join(dir, PLACE))).sort(), [NAME, 'model.json']);
  const model = await createLibrary({ dir, builtIn: false }).find(`${REPO}:Q4_K_M`);
  assert.equal(model?.sha256, sha256(MODEL));
  assert.equal(model.origin, 'hub');
  assert.equal((await readManifest(join(dir, PLACE))).source, `hf:${REPO}/${NAME}`);
  assert.deepEqual([...new Set(progress.map(({ phase }) => phase))], ['download', 'check']);
  assert.equal(progress.at(-1)?.bytes, MODEL.length);
});

test('pull: what is there already is not downloaded again', async (context) => {
  const { hub, pull } = await start(context);
  await pull();
  const before = storeRequests(hub).length;
  assert.equal((await pull()).already, true);
  assert.equal(storeRequests(hub).length, before);
});

test('pull: all parts of a split model are downloaded and are one model', async (context) => {
  const part = (no: number) => ({ bytes: ggufBytes({ entries: { ...TINY, 'split.no': u32(no), 'split.count': u32(2) } }) });
  const { dir, pull } = await start(context, {
    repos: { [REPO]: { 'Q8_0/m-Q8_0-00001-of-00002.gguf': part(0), 'Q8_0/m-Q8_0-00002-of-00002.gguf': part(1) } },
  });
  const { id } = await pull();
  assert.equal(id, `${REPO}:Q8_0`);
  const library = createLibrary({ dir, builtIn: false });
  assert.deepEqual(await library.problems(), []);
  assert.equal((await library.find(id))?.bytes, part(0).bytes.length + part(1).bytes.length);
});

test('pull: a connection cut in the middle is made anew and continues there', async (context) => {
  const { hub, pull } = await start(context);
  hub.turns.push({ do: 'hang', after: 100_000 }, { do: 'hang', after: 50_000 });
  // what has not been read when the connection breaks is lost: it is cut when all that was sent has come
  await pull({ onProgress: ({ bytes }) => (bytes === 100_000 || bytes === 150_000) && hub.cut() });
  assert.deepEqual(
    storeRequests(hub).map(({ headers }) => headers.range),
    [undefined, 'bytes=100000-', 'bytes=150000-'],
  );
  assert.equal(storeRequests(hub)[1]?.headers['if-range'], `"${sha256(MODEL)}"`);
});

test('pull: a connection that brings nothing any more is given up and made anew', async (context) => {
  const { hub, pull } = await start(context);
  hub.turns.push({ do: 'hang', after: 100_000 });
  // where this machine is slow, later ones may bring nothing for so long as well
  await pull({ stallMs: 50, retry: { attempts: 1000, delayMs: 1 } });
  const [first, second] = storeRequests(hub).map(({ headers }) => headers.range);
  assert.equal(first, undefined);
  assert.match(second ?? '', /^bytes=\d+-$/);
});

test('pull: the part of an earlier run is continued', async (context) => {
  const { hub, dir, pull } = await start(context);
  await leavePart(dir, MODEL.subarray(0, 1234), `"${sha256(MODEL)}"`);
  await pull();
  assert.deepEqual(
    storeRequests(hub).map(({ headers }) => headers.range),
    ['bytes=1234-'],
  );
  assert.deepEqual(await readFile(join(dir, PLACE, NAME)), MODEL);
});

test('pull: a server that ignores ranges starts over', async (context) => {
  const { hub, dir, pull } = await start(context);
  await leavePart(dir, MODEL.subarray(0, 1234));
  hub.turns.push({ do: 'ignore range' });
  await pull();
  assert.deepEqual(await readFile(join(dir, PLACE, NAME)), MODEL);
});

test('pull: the part of another version is not continued', async (context) => {
  const { dir, pull } = await start(context);
  await leavePart(dir, Buffer.alloc(1234, 'x'), '"of another version"');
  await pull();
  assert.deepEqual(await readFile(join(dir, PLACE, NAME)), MODEL);
});

test('pull: a part longer than the file is thrown away', async (context) => {
  const { dir, pull } = await start(context);
  await leavePart(dir, Buffer.alloc(MODEL.length + 5));
  await pull();
  assert.deepEqual(await readFile(join(dir, PLACE, NAME)), MODEL);
});

test('pull: a whole part is checked without asking for a byte', async (context) => {
  const { hub, dir, pull } = await start(context);
  await leavePart(dir, MODEL);
  await pull();
  assert.equal(storeRequests(hub).length, 0);
});

test('pull: a weak tag is not used to continue', async (context) => {
  const { hub, pull } = await start(context, { etag: 'W/"weak"' });
  hub.turns.push({ do: 'hang', after: 100_000 });
  await pull({ onProgress: ({ bytes }) => bytes === 100_000 && hub.cut() });
  assert.equal(storeRequests(hub)[1]?.headers.range, 'bytes=100000-');
  assert.equal(storeRequests(hub)[1]?.headers['if-range'], undefined);
});

test('pull: bytes of the wrong checksum are deleted and the error says so', async (context) => {
  const { dir, pull } = await start(context, { repos: { [REPO]: { [NAME]: { bytes: MODEL, sha256: 'f'.repeat(64) } } } });
  await assert.rejects(pull(), /not what the hub promised, and was deleted: .* should be ffff/);
  assert.deepEqual(await readdir(dir), []);
});

test('pull: a file that is no model is deleted and the error says what it is', async (context) => {
  const { dir, pull } = await start(context, { repos: { [REPO]: { [NAME]: { bytes: Buffer.from('<html>'), plain: true } } } });
  await assert.rejects(pull(), /m-Q4_K_M\.gguf cannot be used, and was deleted: .*web page/);
  assert.deepEqual(await readdir(dir), []);
});

test('pull: a file of another size than listed is refused', async (context) => {
  const { pull } = await start(context, { repos: { [REPO]: { [NAME]: { bytes: MODEL, size: MODEL.length - 1 } } } });
  await assert.rejects(pull(), /just changed, try again/);
});

test('pull: a busy store is asked again, and given up after some tries', async (context) => {
  const { hub, pull } = await start(context);
  hub.turns.push({ do: 'status', status: 503 }, { do: 'status', status: 429, headers: { 'retry-after': '0' } });
  await pull();
  assert.equal(storeRequests(hub).length, 3);
  const other = await start(context);
  other.hub.turns.push(...Array.from({ length: 10 }, () => ({ do: 'status', status: 503 }) as const));
  await assert.rejects(other.pull(), /answers 503\.; given up after 4 tries/);
  assert.equal(storeRequests(other.hub).length, 4);
});

test('pull: an address of the store that ran out is asked for anew', async (context) => {
  const { hub, pull } = await start(context);
  hub.turns.push({ do: 'status', status: 403 });
  await pull();
  assert.equal(hub.seen.filter(({ url }) => url.includes('/resolve/')).length, 2);
});

test('pull: the token goes to the hub and not to the store', async (context) => {
  const { hub, pull } = await start(context);
  await pull({ hub: { url: hub.url, token: 'hf_secret' } });
  for (const { server, headers } of hub.seen) assert.equal(headers.authorization, server === 'site' ? 'Bearer hf_secret' : undefined);
  assert.equal(hub.seen.length, 3);
});

test('pull: interrupted, it leaves the part, and the next pull continues there', async (context) => {
  const { hub, dir, pull } = await start(context);
  const stop = new AbortController();
  const reason = new Error('Ctrl-C');
  hub.turns.push({ do: 'hang', after: 100_000 });
  const pulling = pull({ signal: stop.signal, onProgress: ({ bytes }) => bytes >= 100_000 && stop.abort(reason) });
  await assert.rejects(pulling, reason);
  assert.deepEqual((await readdir(join(dir, PLACE))).sort(), [`${NAME}.part`, `${NAME}.part.etag`]);
  assert.deepEqual(await createLibrary({ dir, builtIn: false }).list(), []);
  await pull();
  assert.equal(storeRequests(hub)[1]?.headers.range, 'bytes=100000-');
  assert.deepEqual((await readdir(join(dir, PLACE))).sort(), [NAME, 'model.json']);
});

test('pull: two at once of the same model do not collide', async (context) => {
  const { pull } = await start(context);
  const results = await Promise.allSettled([pull(), pull()]);
  const failed = results.filter((result) => result.status === 'rejected');
  assert.equal(failed.length, 1);
  assert.match(String(failed[0]?.reason), /is in use by (this|another) process/);
});

test('pull: the lock of a living process holds, that of a dead one does not', async (context) => {
  const { dir, pull } = await start(context);
  const lock = join(dir, PLACE, '.pull.lock');
  await mkdir(dirname(lock), { recursive: true });
  await writeFile(lock, `${process.ppid} ${hostname()}\n`);
  await assert.rejects(pull(), new RegExp(`in use by process ${process.ppid}\\. If that is wrong, delete`));
  // no process has a number beyond the largest that a kernel gives out
  await writeFile(lock, `2147483646 ${hostname()}\n`);
  await pull();
});

test('pull: a new version replaces the old one', async (context) => {
  const { dir, pull } = await start(context);
  await pull();
  const changed = ggufBytes({ tensors: [100_000], entries: { ...TINY, 'general.file_type': u32(14) } });
  assert.equal(changed.length, MODEL.length, 'the hardest case: of the same size');
  const other = await start(context, { repos: { [REPO]: { [NAME]: { bytes: changed } } } });
  assert.equal((await other.pull({ dir })).already, false);
  assert.deepEqual(await readFile(join(dir, PLACE, NAME)), changed);
  assert.equal((await createLibrary({ dir, builtIn: false }).find(`${REPO}:Q4_K_M`))?.sha256, sha256(changed));
});

test('pull: files without their manifest, as a crash leaves them, are taken up', async (context) => {
  const { hub, dir, pull } = await start(context);
  await pull();
  await rm(join(dir, PLACE, 'model.json'));
  const before = storeRequests(hub).length;
  await pull();
  assert.equal(storeRequests(hub).length, before);
  assert.equal((await createLibrary({ dir, builtIn: false }).list()).length, 1);
});

test('pull: out of reach, it says what failed and what else can be done', async (context) => {
  const { hub, dir, pull } = await start(context);
  await hub.close();
  await assert.rejects(pull(), (error: Error) => {
    assert.match(error.message, /127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED.*\)/);
    assert.ok(error.message.includes(`put a GGUF file into ${dir}`));
    return true;
  });
});

test('pull: without room nothing is downloaded', async (context) => {
  const { hub, pull } = await start(context, { repos: { [REPO]: { [NAME]: { bytes: MODEL, size: 2 ** 52 } } } });
  await assert.rejects(pull(), /not enough room in .*: 4503599\.6 GB to download, \d+\.\d GB free/);
  assert.equal(storeRequests(hub).length, 0);
});

test('meter: the rate is that of the last seconds, and what was there before is no speed', () => {
  let at = 0;
  const meter = createMeter(10_000, () => at);
  assert.deepEqual(meter('download', 5000), { phase: 'download', bytes: 5000, total: 10_000, rate: 0 });
  at = 1000;
  assert.deepEqual(meter('download', 6000), { phase: 'download', bytes: 6000, total: 10_000, rate: 1000, eta: 4 });
  for (at = 2000; at <= 20_000; at += 1000) meter('download', 6000);
  assert.equal(meter('download', 6000).rate, 0);
  assert.equal(meter('check', 0).rate, 0);
});
