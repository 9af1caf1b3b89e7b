/** More than ten thousand requests that nobody would send, to a server process with its model: refused in words, every one of them. */
import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { errorOf } from '../support/chat-client.ts';
import { anyJson, brokenBodies, chatRequests, reachingRequests, toJson, wires } from '../support/generated-requests.ts';
import { MODEL, ask } from '../support/live-server.ts';
import { startServe } from '../support/serve-process.ts';

const server = await startServe({
  NODE_OPTIONS: `--import=${new URL('../support/report-memory.ts', import.meta.url).href}`,
  PARLANCE_ENGINE_CONTEXT_SIZE: '512',
  PARLANCE_LOG_LEVEL: 'info',
  // long enough for what a busy machine sends slowly; what is cut off here has an end, and is given up at that
  PARLANCE_SERVER_HEADERS_TIMEOUT: '30s',
  PARLANCE_SERVER_BODY_TIMEOUT: '30s',
});
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
after(async () => {
  agent.destroy();
  server.kill('SIGTERM');
  assert.equal(await server.ended, 0);
});
const { hostname, port } = new URL(server.url);

/** Longer than anything here may take, on a machine with other things to do. */
const PATIENCE_MS = 180_000;

interface Answer {
  readonly status: number;
  readonly text: string;
}

function send(body: string | Uint8Array): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = httpRequest({
    agent,
    hostname,
    port,
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  sent.setTimeout(PATIENCE_MS, () => sent.destroy(new Error(`no answer in ${PATIENCE_MS} ms`)));
  sent.on('error', reject);
  sent.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (more: string) => (text += more));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    response.on('error', reject);
  });
  sent.end(body);
  return promise;
}

/** Everything that comes back on a connection of its own, until the server closes it. */
function sendRaw(bytes: Uint8Array): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect({ host: hostname, port: Number(port) });
  socket.setTimeout(PATIENCE_MS, () => reject(new Error(`the connection was still open after ${PATIENCE_MS} ms`)));
  socket.on('data', (more) => (text += more.toString('latin1')));
  // a reset is a way to say no as well
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  socket.end(bytes);
  return promise;
}

let requests = 0;

function judge({ status, text }: Answer, sent: string): void {
  assert.ok(status === 200 || status === 503 || (status >= 400 && status < 500), `${status} ${text} for ${sent.slice(0, 3000)}`);
  if (status !== 200) errorOf(text);
}

interface Kind<T> {
  readonly of: fc.Arbitrary<T>;
  readonly total: number;
  /** Requests sent at the same time. */
  readonly atOnce: number;
  readonly check: (one: T) => Promise<void>;
}

/** FUZZ_SEED finds other things; without it the requests are always the same. */
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

/** Sends them in batches; a failing batch is made as simple as it can be before it is shown. */
async function fuzz<T>({ of, total, atOnce, check }: Kind<T>): Promise<void> {
  const batches = fc.array(of, { minLength: atOnce, maxLength: atOnce });
  const property = fc.asyncProperty(batches, async (batch) => {
    requests += batch.length;
    await Promise.all(batch.map(check));
  });
  await fc.assert(property, { seed, numRuns: total / atOnce });
}

async function memory(): Promise<{ readonly heap: number; readonly rss: number }> {
  const from = server.log.length;
  server.kill('SIGUSR2');
  await server.logged(({ msg }) => msg === 'memory', from);
  const last = server.log.findLast(({ msg }) => msg === 'memory');
  return { heap: Number(last?.['heapUsed']) + Number(last?.['external']), rss: Number(last?.['rss']) };
}

const checkValue = async (value: unknown): Promise<void> => {
  const body = toJson(value);
  judge(await send(body), body);
};

test('fuzz: any JSON as a body is refused in the envelope', () => fuzz({ of: anyJson, total: 2500, atOnce: 20, check: checkValue }));

test('fuzz: bodies that are no JSON are refused in the envelope', () =>
  fuzz({
    of: brokenBodies('nobody'),
    total: 2500,
    atOnce: 20,
    check: async (bytes) => judge(await send(bytes), Buffer.from(bytes).toString('latin1')),
  }));

test('fuzz: requests with anything in any field are refused in the envelope', () =>
  fuzz({ of: chatRequests('nobody'), total: 4000, atOnce: 20, check: checkValue }));

test('fuzz: broken, cut off and pipelined HTTP is answered or closed', () =>
  fuzz({
    of: wires('nobody'),
    total: 1000,
    atOnce: 20,
    check: async (bytes) => {
      const text = await sendRaw(bytes);
      for (const [line = '', status = ''] of text.matchAll(/^HTTP\/1\.1 (\d{3}) .*$/gm)) {
        assert.ok(status === '503' || Number(status) < 500, `${line} for ${Buffer.from(bytes).toString('latin1').slice(0, 3000)}`);
      }
    },
  }));

/** Schemas, tools and texts are gone through before anybody finds that the prompt is too long: cheap, where answers are not. */
const overlong = reachingRequests(MODEL).map((one) => ({
  ...one,
  messages: [...(one['messages'] as unknown[]), { role: 'user', content: 'word '.repeat(600) }],
}));

test('fuzz: requests that reach the model are answered or refused, and memory stays', async () => {
  assert.equal((await send(JSON.stringify(ask({ max_tokens: 1 })))).status, 200);
  const load = async (): Promise<void> => {
    await fuzz({ of: overlong, total: 600, atOnce: 10, check: checkValue });
    await fuzz({ of: reachingRequests(MODEL), total: 30, atOnce: 10, check: checkValue });
    for (const refused of [chatRequests('nobody'), anyJson]) await fuzz({ of: refused, total: 500, atOnce: 20, check: checkValue });
  };
  await load();
  let before = await memory();
  // what leaks grows each time; what a busy machine has not given back yet does not
  for (let tries = 3; ; tries--) {
    await load();
    const after = await memory();
    const grown = after.heap >= before.heap + 5e6 || after.rss >= before.rss + 60e6;
    if (!grown) break;
    assert.ok(tries > 1, `the process grew from ${JSON.stringify(before)} to ${JSON.stringify(after)} bytes`);
    before = after;
  }
});

test('fuzz: after all that the server and its engine are still the same processes, and answer', async () => {
  assert.ok(requests > 10_000, `${requests} requests`);
  const answer = await send(JSON.stringify(ask({ max_tokens: 2 })));
  assert.equal(answer.status, 200, answer.text);
  assert.equal(server.log.filter(({ msg }) => msg === 'model loaded').length, 1);
  const failed = server.log.filter(({ outcome }) => outcome === 'error');
  assert.deepEqual(failed, []);
});
