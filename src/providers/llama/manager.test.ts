import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { GatewayError } from '../../core/error.ts';
import type { EngineProcess, StartEngine } from './engine-process.ts';
import { createEngineManager } from './manager.ts';
import type { LocalModel } from './model.ts';
import { NO_WORK } from './protocol.ts';
import type { EngineWork } from './protocol.ts';
import type { EngineSettings } from './settings.ts';

const settings: EngineSettings = {
  contextSize: 512,
  sequences: 1,
  threads: 1,
  gpu: 'off',
  queue: 4,
  maxLoaded: 1,
  idleUnloadMs: 1000,
  loadTimeoutMs: 5000,
};

const model = (id: string): LocalModel => ({
  id,
  path: `/models/${id}.gguf`,
  bytes: 1,
  created: 0,
  ownedBy: 'test',
  origin: 'folder',
  gguf: { architecture: 'llama', contextLength: 512, chatTemplate: '', bosToken: '', eosToken: '', kvBytesPerToken: 1 },
});

interface Fake {
  readonly process: EngineProcess;
  readonly how: StartEngine;
  ready(): void;
  fail(cause: Error): void;
  die(words: string): void;
  stopped: boolean;
  work: EngineWork;
}

/** Engines that load when the test says so. */
function fixture(over: Partial<EngineSettings> = {}, verify: () => Promise<void> = async () => undefined) {
  const started: Fake[] = [];
  const start = (how: StartEngine): Promise<EngineProcess> => {
    const loaded = Promise.withResolvers<EngineProcess>();
    const gone = Promise.withResolvers<string>();
    const fake: Fake = {
      how,
      stopped: false,
      work: NO_WORK,
      ready: () => loaded.resolve(fake.process),
      fail: (cause) => loaded.reject(cause),
      die: (words) => gone.resolve(words),
      process: {
        pid: started.length + 1,
        contextSize: 512,
        vocabulary: 1,
        warnings: [],
        sequences: 2,
        work: () => fake.work,
        inFlight: () => 0,
        run: () => Promise.reject(new Error('not asked for here')),
        stop: async () => {
          fake.stopped = true;
          gone.resolve('stopped');
        },
        gone: gone.promise,
      },
    };
    how.signal.addEventListener('abort', () => loaded.reject(how.signal.reason as Error));
    started.push(fake);
    return loaded.promise;
  };
  const quiet = { info: () => undefined, warn: () => undefined, debug: () => undefined };
  const manager = createEngineManager({ settings: { ...settings, ...over }, log: quiet, start, verify });
  return { manager, started };
}

const never = new AbortController().signal;
const turns = async (count = 10): Promise<void> => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

test('models: two requests for one model load it once', async () => {
  const { manager, started } = fixture();
  const both = [manager.acquire(model('a'), never), manager.acquire(model('a'), never)];
  await turns();
  assert.equal(manager.status()[0]?.state, 'loading');
  started[0]?.ready();
  const [one, other] = await Promise.all(both);
  assert.equal(one?.engine, other?.engine);
  assert.equal(started.length, 1);
  assert.equal(manager.status()[0]?.state, 'loaded');
});

test('models: progress of loading is shown', async () => {
  const { manager, started } = fixture();
  const lease = manager.acquire(model('a'), never);
  await turns();
  started[0]?.how.onProgress(0.4);
  assert.equal(manager.status()[0]?.progress, 0.4);
  started[0]?.ready();
  await lease;
});

test('models: a second model takes the place of an idle one, and waits for a busy one', async () => {
  const { manager, started } = fixture();
  const first = manager.acquire(model('a'), never);
  await turns();
  started[0]?.ready();
  const lease = await first;
  const second = manager.acquire(model('b'), never);
  await turns();
  assert.equal(started.length, 1, 'no room while the first one works');
  lease.release();
  await turns(30);
  assert.equal(started[0]?.stopped, true);
  assert.equal(started.length, 2);
  started[1]?.ready();
  assert.equal((await second).engine, started[1]?.process);
});

test('models: of two idle ones the one used longest ago is unloaded', async () => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  try {
    const { manager, started } = fixture({ maxLoaded: 2, idleUnloadMs: 0 });
    for (const id of ['a', 'b']) {
      const lease = manager.acquire(model(id), never);
      await turns();
      started.at(-1)?.ready();
      (await lease).release();
      mock.timers.tick(10);
    }
    (await manager.acquire(model('a'), never)).release();
    const third = manager.acquire(model('c'), never);
    await turns(30);
    assert.deepEqual(
      started.map((fake) => fake.stopped),
      [false, true, false],
    );
    started[2]?.ready();
    await third;
  } finally {
    mock.timers.reset();
  }
});

test('models: one nobody asked for a while is unloaded, one in use is not', async () => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  try {
    const { manager, started } = fixture();
    const acquired = manager.acquire(model('a'), never);
    await turns();
    started[0]?.ready();
    const lease = await acquired;
    mock.timers.tick(60_000);
    assert.equal(started[0]?.stopped, false);
    lease.release();
    mock.timers.tick(999);
    assert.equal(started[0]?.stopped, false);
    mock.timers.tick(1);
    assert.equal(started[0]?.stopped, true);
    assert.deepEqual(manager.status(), []);
  } finally {
    mock.timers.reset();
  }
});

test('models: loading is given up once nobody waits for it any more', async () => {
  const { manager, started } = fixture();
  const [one, other] = [new AbortController(), new AbortController()];
  const waiting = [manager.acquire(model('a'), one.signal), manager.acquire(model('a'), other.signal)];
  await turns();
  one.abort(new GatewayError('cancelled', 'gone'));
  await assert.rejects(waiting[0] ?? Promise.resolve(), { kind: 'cancelled' });
  assert.equal(started[0]?.how.signal.aborted, false);
  other.abort(new GatewayError('cancelled', 'gone'));
  await assert.rejects(waiting[1] ?? Promise.resolve(), { kind: 'cancelled' });
  assert.equal(started[0]?.how.signal.aborted, true);
  assert.deepEqual(manager.status(), []);
});

test('models: loading that takes too long is answered with 503 and a time to come back', async () => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  try {
    const { manager } = fixture();
    const waiting = manager.acquire(model('a'), never);
    await turns();
    mock.timers.tick(5000);
    await assert.rejects(waiting, { kind: 'overloaded', status: 503, retryAfterMs: 5000, message: /5000 ms/ });
  } finally {
    mock.timers.reset();
  }
});

test('models: a file that is not the one it should be is not used', async () => {
  const { manager, started } = fixture({}, () => Promise.reject(new GatewayError('internal', 'The checksum is wrong.')));
  const waiting = manager.acquire(model('a'), never);
  await assert.rejects(waiting, { message: /checksum/ });
  assert.equal(started[0]?.how.signal.aborted, true);
  assert.deepEqual(manager.status(), []);
});

test('models: an engine that dies is started again at once, and with a growing delay if it dies again', async () => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  try {
    const { manager, started } = fixture();
    const crash = async (): Promise<void> => {
      const acquired = manager.acquire(model('a'), never);
      await turns(30);
      started.at(-1)?.ready();
      (await acquired).release();
      started.at(-1)?.die('killed by SIGKILL');
      await turns(30);
    };
    await crash();
    await crash();
    assert.equal(started.length, 2, 'the first restart does not wait');
    const third = manager.acquire(model('a'), never);
    await turns(30);
    assert.equal(started.length, 2, 'the second one does');
    mock.timers.tick(1000);
    await turns(30);
    assert.equal(started.length, 3);
    started[2]?.ready();
    (await third).release();
  } finally {
    mock.timers.reset();
  }
});

test('models: one that cannot be loaded is not tried with every request, and says why', async () => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  try {
    const { manager, started } = fixture();
    const tryOnce = async (): Promise<void> => {
      const waiting = manager.acquire(model('a'), never);
      await turns(30);
      started.at(-1)?.fail(new GatewayError('overloaded', 'The model could not be loaded: bad magic'));
      await assert.rejects(waiting, { kind: 'overloaded', message: /bad magic/ });
    };
    await tryOnce();
    await tryOnce();
    await assert.rejects(manager.acquire(model('a'), never), { message: /bad magic/, retryAfterMs: 1000 });
    assert.equal(started.length, 2);
    mock.timers.tick(1000);
    await tryOnce();
    assert.equal(started.length, 3);
  } finally {
    mock.timers.reset();
  }
});

test('models: closing unloads all and takes no more', async () => {
  const { manager, started } = fixture();
  const acquired = manager.acquire(model('a'), never);
  await turns();
  started[0]?.ready();
  await acquired;
  await manager.close();
  assert.equal(started[0]?.stopped, true);
  await assert.rejects(manager.acquire(model('a'), never), { kind: 'overloaded' });
});

test('models: for a client that has left already nothing is loaded', async () => {
  const { manager, started } = fixture();
  await assert.rejects(manager.acquire(model('a'), AbortSignal.abort(new GatewayError('cancelled', 'gone'))), { kind: 'cancelled' });
  assert.equal(started.length, 0);
});

test('models: the figures of an engine go on where it is loaded anew', async () => {
  const { manager, started } = fixture();
  const load = async (index: number) => {
    const lease = manager.acquire(model('a'), never);
    await turns();
    started[index]?.ready();
    return lease;
  };
  (await load(0)).release();
  const [first] = started;
  assert.ok(first);
  first.work = { ...NO_WORK, busy: 2, waiting: 1, generateSteps: 10, generatedTokens: 15, promptTokens: 7 };
  const busy = { id: 'a', loaded: true, sequences: 2, ...first.work };
  assert.deepEqual(manager.figures(), [busy]);
  first.die('killed');
  await turns();
  const rest = { ...busy, loaded: false, sequences: 0, busy: 0, waiting: 0 };
  assert.deepEqual(manager.figures(), [rest]);
  await load(1);
  const [, second] = started;
  assert.ok(second);
  second.work = { ...NO_WORK, busy: 1, generateSteps: 1, generatedTokens: 1 };
  assert.deepEqual(manager.figures(), [{ ...rest, loaded: true, sequences: 2, busy: 1, generateSteps: 11, generatedTokens: 16 }]);
});
