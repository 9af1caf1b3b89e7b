/** What we send to OpenAI, judged by OpenAI's own description: by the mock server that its SDK is tested with, and by ajv. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { wholeText } from '../../src/core/json-pieces.ts';
import { GatewayError } from '../../src/core/error.ts';
import { openaiChatWire } from '../../src/protocols/openai-chat/call.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import type { OpenAIChatQuirks } from '../../src/protocols/openai-chat/quirks.ts';
import { freePort } from '../support/free-port.ts';
import { chatRequests, reachingRequests } from '../support/generated-requests.ts';
import { loadOracle, outside } from '../support/openai-chat.ts';
import { wideRequests } from '../support/wide-requests.ts';

const place = outside('oracle/openai-subset.json');
const oracle = await loadOracle();
const SKIP = place !== undefined && oracle ? {} : { skip: 'no ../shared/oracle on this machine' };
const MOCK = fileURLToPath(new URL('../../node_modules/@stdy/cli/steady.js', import.meta.url));
const PATIENCE_MS = 500_000;

function sent(body: unknown, quirks: OpenAIChatQuirks = {}): string {
  const request = parseChatRequest(body, { strict: false });
  const target = {
    provider: 'openai',
    upstreamModel: 'gpt-x',
    model: 'openai/gpt-x',
    baseUrl: 'https://api.example/v1',
    quirks,
    facts: {},
  };
  return wholeText(openaiChatWire.prepare(request, target, { id: 'chatcmpl-1', created: 1 }).call.body);
}

/** The description with the one path that matters here, and an answer that needs no making. */
async function describeApi(folder: string): Promise<string> {
  const { paths, ...rest } = JSON.parse(await readFile(place ?? '', 'utf8'));
  const { requestBody } = paths['/chat/completions'].post;
  const responses = { 200: { description: 'Taken.', content: { 'application/json': { example: { taken: true } } } } };
  const file = join(folder, 'openai.json');
  await writeFile(file, JSON.stringify({ ...rest, paths: { '/chat/completions': { post: { requestBody, responses } } } }));
  return file;
}

/** Until somebody accepts connections there: what the mock prints does not always come through. */
async function listening(port: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const there = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (there) return;
    await setTimeout(50, undefined, { signal });
  }
}

function exited(gone: Promise<unknown>): AbortSignal {
  const control = new AbortController();
  void gone.then(() => control.abort(new Error('it ended')));
  return control.signal;
}

const STARTS_WITHIN_MS = 180_000;

/** Starts the mock and waits until it can be asked. */
async function startMock(file: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort();
  const child = spawn(process.execPath, [MOCK, '-p', String(port), '--reject-on-sdk-error', '--no-color', '--log=false', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  let said = '';
  for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await listening(port, AbortSignal.any([AbortSignal.timeout(STARTS_WITHIN_MS), exited(gone)])).catch((cause: unknown) => {
    child.kill();
    throw new Error(`the mock did not start: ${said}`, { cause });
  });
  const stop = async (): Promise<void> => {
    child.kill();
    await gone;
  };
  return { url: `http://127.0.0.1:${port}/chat/completions`, stop };
}

describe("OpenAI's description", { timeout: PATIENCE_MS, ...SKIP }, () => {
  let folder = '';
  let mock: Awaited<ReturnType<typeof startMock>> | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parlance-description-'));
    mock = await startMock(await describeApi(folder));
  });
  after(async () => {
    await mock?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What the mock has against a body. Lengths of lists it only notes: status 200, but counted. */
  async function complaints(body: string): Promise<{ status: number; complaints: string[] }> {
    assert.ok(mock);
    const response = await fetch(mock.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    await response.text();
    const said = [...response.headers].filter(([name]) => /^x-steady-error-\d+-(message|path)$/.test(name));
    return { status: response.status, complaints: said.map(([, value]) => value) };
  }

  test('the mock refuses what breaks the description', async () => {
    const broken = await complaints('{"model":"gpt-x","messages":[{"role":"user","content":"Hi"}],"temperature":"hot"}');
    assert.deepEqual(broken, { status: 400, complaints: ['Expected type number, got string', 'body.temperature'] });
    const empty = await complaints('{"model":"gpt-x","messages":[]}');
    assert.deepEqual(empty.complaints, ['Array size violation', 'body.messages']);
  });

  for (const [name, body] of wideRequests('openai/gpt-x')) {
    test(`the mock accepts what we send: ${name}`, async () => {
      assert.deepEqual(await complaints(sent(body)), { status: 200, complaints: [] });
    });
    test(`the schema holds for what we send: ${name}`, () => {
      assert.deepEqual(oracle?.violations('CreateChatCompletionRequest', JSON.parse(sent(body))), []);
    });
  }

  test('whatever request we accept makes one that holds to the description', () => {
    fc.assert(
      fc.property(fc.oneof(chatRequests('m'), reachingRequests('m')), (generated) => {
        const body: unknown = JSON.parse(JSON.stringify(generated));
        const made = acceptable(body);
        // our contract takes any number there, the description whole ones only: it is the client's to know
        if (made !== undefined && !/"logit_bias":\{[^}]*\./.test(made))
          assert.deepEqual(oracle?.violations('CreateChatCompletionRequest', JSON.parse(made)), []);
      }),
      { numRuns: 300 },
    );
  });
});

/** Undefined where the request is refused before anything is sent. */
function acceptable(body: unknown): string | undefined {
  try {
    return sent(body);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return undefined;
  }
}
