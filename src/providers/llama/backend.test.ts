import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from '../../core/call.ts';
import type { ChatRequest } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { createLlamaBackend } from './backend.ts';
import type { EngineProcess, JobEvent } from './engine-process.ts';
import { NO_WORK } from './protocol.ts';
import type { LocalModel } from './model.ts';
import type { EngineSettings } from './settings.ts';
import { cardOf } from './targets.ts';

const settings: EngineSettings = {
  contextSize: 512,
  sequences: 1,
  threads: 1,
  gpu: 'off',
  queue: 2,
  maxLoaded: 1,
  idleUnloadMs: 0,
  loadTimeoutMs: 0,
};

const model: LocalModel = {
  id: 'm',
  path: '/models/m.gguf',
  bytes: 1,
  created: 0,
  ownedBy: 'test',
  origin: 'folder',
  gguf: {
    architecture: 'llama',
    contextLength: 512,
    chatTemplate: '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}',
    bosToken: '',
    eosToken: '<|im_end|>',
    kvBytesPerToken: 1,
  },
};

const request: ChatRequest = {
  model: 'm',
  messages: [{ role: 'user', blocks: [{ type: 'text', text: 'Hello' }] }],
  sampling: {},
  n: 1,
  stop: [],
  tools: [],
  toolChoice: { mode: 'auto' },
  parallelToolCalls: true,
  responseFormat: { type: 'text' },
  stream: false,
  includeUsage: false,
  legacyFunctions: false,
  extras: [],
  raw: {},
};

/** The backend with an engine whose `run` is the test's, and how many leases are out. */
function fixture(over: Pick<EngineProcess, 'run'> & Partial<EngineProcess>) {
  const engine: EngineProcess = {
    pid: 1,
    contextSize: 512,
    vocabulary: 1,
    warnings: [],
    sequences: 1,
    work: () => NO_WORK,
    inFlight: () => 0,
    stop: async () => undefined,
    gone: new Promise(() => undefined),
    ...over,
  };
  const state = { leases: 0 };
  const backend = createLlamaBackend({
    settings,
    library: { list: async () => [model], find: async () => model },
    manager: {
      acquire: async () => {
        state.leases++;
        return { engine, release: () => void state.leases-- };
      },
      status: () => [],
      figures: () => [],
      close: async () => undefined,
    },
  });
  const chat = (signal: AbortSignal) => {
    const call: Call = { id: 'req_1', request, principal: { id: 'p', role: 'member' }, strict: false, signal, trace: { attempts: [] } };
    return backend.chat(call, { id: model.id, card: cardOf(model, settings), backend });
  };
  return { state, chat };
}

async function* answer(): AsyncGenerator<JobEvent> {
  yield { type: 'outputs', outputs: [{ job: 1, choice: 0, text: 'Hi', tokens: 1, finish: 'stop' }] };
  yield { type: 'done', usage: { promptTokens: 3, cachedTokens: 1, completionTokens: [1] } };
}

test('llama: a client that leaves while the first output is on its way keeps no engine', async () => {
  const client = new AbortController();
  const { state, chat } = fixture({
    run: async () => {
      client.abort(new GatewayError('cancelled', 'The client closed the connection.'));
      return answer();
    },
  });
  await assert.rejects(chat(client.signal), { kind: 'cancelled' });
  assert.equal(state.leases, 0);
});

test('llama: the engine is held until the answer is read, and no longer', async () => {
  const { state, chat } = fixture({ run: async () => answer() });
  const reply = await chat(new AbortController().signal);
  assert.equal(state.leases, 1);
  assert.equal(reply.kind, 'stream');
  if (reply.kind !== 'stream') return;
  const events: ChatEvent[] = [];
  for await (const batch of reply.batches) events.push(...batch.events);
  assert.deepEqual(
    events.find((event) => event.type === 'usage'),
    { type: 'usage', usage: { promptTokens: 3, completionTokens: 1, cachedTokens: 1, reasoningTokens: 0 } },
  );
  assert.equal(state.leases, 0);
});

test('llama: a job that is refused, and one too many, hold no engine', async () => {
  const refusing = fixture({ run: () => Promise.reject(new GatewayError('context_length_exceeded', 'too long')) });
  await assert.rejects(refusing.chat(new AbortController().signal), { kind: 'context_length_exceeded' });
  assert.equal(refusing.state.leases, 0);
  const full = fixture({ run: async () => answer(), inFlight: () => settings.queue + 1 });
  await assert.rejects(full.chat(new AbortController().signal), { kind: 'overloaded', retryAfterMs: 1000 });
  assert.equal(full.state.leases, 0);
});
