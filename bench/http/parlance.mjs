// Our HTTP path with all that a real server has on it (a key, the schema, the log, the metrics), and a handler of the bench's own behind it.
//   node parlance.mjs PORT memory MS          answers from memory: at once, or streams with a word every so many milliseconds
//   node parlance.mjs PORT upstream UPSTREAM  asks an upstream with undici; the least that a provider must do
import { Pool } from 'undici';
import { loadConfig } from '../../src/config.ts';
import { createServer } from '../../src/server/server.ts';
import { createLogger } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { SHORT, WORDS } from './answers.mjs';

const [port, kind, place] = process.argv.slice(2);

const head = { id: 'chatcmpl-bench', model: 'bench', created: 1_760_000_000, fingerprint: 'fp_bench' };
const start = { type: 'start', ...head };
const open = { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } };
const delta = (text) => ({ type: 'block_delta', choice: 0, block: 0, text });
const usage = { promptTokens: 14, completionTokens: 13, cachedTokens: 0, reasoningTokens: 0 };
const end = (reason) => [
  { type: 'block_end', choice: 0, block: 0 },
  { type: 'finish', choice: 0, reason },
  { type: 'usage', usage },
  { type: 'end' },
];
const full = (text, ignored) => ({
  kind: 'full',
  response: { ...head, choices: [{ blocks: [{ type: 'text', text }], reason: 'stop' }], usage },
  ignored,
});

async function* words(ms) {
  yield { events: [start, open] };
  for (let at = 0; at < WORDS; at++) {
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    yield { events: [delta(ms > 0 ? ` ${performance.timeOrigin + performance.now()}` : ` word${at}`)] };
  }
  yield { events: end('stop') };
}

const fromMemory = (ms) => async (call) => {
  const { stream, extras } = call.request;
  return stream ? { kind: 'stream', batches: words(ms), ignored: extras } : full(SHORT, extras);
};

/** The events of an OpenAI stream; what came in one read is one batch. */
async function* decoded(body) {
  let rest = '';
  let begun = false;
  for await (const bytes of body.setEncoding('utf8')) {
    const lines = (rest + bytes).split('\n');
    rest = lines.pop();
    const events = begun ? [] : [start, open];
    begun = true;
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue;
      const [choice] = JSON.parse(line.slice(6)).choices;
      if (choice.delta.content) events.push(delta(choice.delta.content));
      if (choice.finish_reason) events.push(...end(choice.finish_reason));
    }
    if (events.length > 0) yield { events };
  }
}

const fromUpstream = (upstream) => {
  const pool = new Pool(new URL(upstream).origin, { headersTimeout: 60_000 });
  return async ({ request, signal }) => {
    const { body } = await pool.request({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', ...(request.stream ? { accept: 'text/event-stream' } : {}) },
      body: JSON.stringify(request.raw),
      signal,
    });
    if (request.stream) return { kind: 'stream', batches: decoded(body), ignored: request.extras };
    const { choices } = await body.json();
    return full(choices[0].message.content, request.extras);
  };
};

const config = loadConfig({ env: { PARLANCE_API_KEYS: 'sk-bench', PARLANCE_LOG_FORMAT: 'json' }, flags: { port: Number(port) } });
const metrics = createMetrics({
  version: '0.0.0',
  admission: () => ({ running: 0, waiting: 0 }),
  targets: () => new Map(),
  engines: () => [],
});
const service = {
  server: config.server,
  keys: config.keys,
  handler: kind === 'upstream' ? fromUpstream(place) : fromMemory(Number(place)),
  models: { list: async () => [], find: async () => undefined },
  ready: async () => ({ ready: true, detail: {} }),
  enter: () => undefined,
  leave: () => undefined,
};
const server = await createServer({
  log: createLogger(config.log),
  version: '0.0.0',
  current: () => service,
  observe: metrics.observe,
  metrics: { ...metrics, settings: config.metrics },
});
await server.listen();
