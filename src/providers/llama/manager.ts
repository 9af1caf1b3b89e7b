/**
 * Which models are loaded. A model is loaded when it is first asked for, kept while it is used, unloaded when nobody
 * asked for a while or another needs its place, and loaded anew after its engine died.
 */
import { unlessAborted } from '../../core/abort.ts';
import type { Signal } from '../../core/abort.ts';
import { GatewayError, toGatewayError } from '../../core/error.ts';
import type { EngineProcess, StartEngine } from './engine-process.ts';
import type { LocalModel } from './model.ts';
import { NO_WORK } from './protocol.ts';
import type { EngineWork } from './protocol.ts';
import type { EngineSettings } from './settings.ts';
import { sizeEngine } from './sizing.ts';

export interface Lease {
  readonly engine: EngineProcess;
  /** Must be called once, when the work with the engine is over. */
  release(): void;
}

export interface ModelStatus {
  readonly id: string;
  readonly state: 'loading' | 'loaded';
  /** How far loading has come, 0 to 1. */
  readonly progress: number;
  readonly inFlight: number;
  readonly pid?: number;
}

/** The figures of one model's engine; its counts go on where it is loaded anew. */
export interface EngineFigures extends EngineWork {
  readonly id: string;
  readonly loaded: boolean;
  /** How many there are; 0 while it is not loaded. */
  readonly sequences: number;
}

export interface ManagerEvents {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  debug(fields: Record<string, unknown>, message: string): void;
}

export interface ManagerParts {
  readonly settings: EngineSettings;
  readonly log: ManagerEvents;
  readonly start: (how: StartEngine) => Promise<EngineProcess>;
  /** Rejects where the file is not the one it should be. */
  readonly verify: (model: LocalModel, signal: AbortSignal) => Promise<void>;
}

export interface EngineManager {
  /** The model's engine, loaded if need be. Rejects with `overloaded` (with Retry-After) where that fails or takes too long. */
  acquire(model: LocalModel, signal: Signal): Promise<Lease>;
  status(): readonly ModelStatus[];
  /** Of every model that was loaded at some time. */
  figures(): readonly EngineFigures[];
  /** Unloads everything. */
  close(): Promise<void>;
}

interface Entry {
  readonly model: LocalModel;
  readonly loading: AbortController;
  readonly engine: Promise<EngineProcess>;
  loaded: EngineProcess | undefined;
  progress: number;
  /** Requests that use or await it. */
  users: number;
  idleTimer: NodeJS.Timeout | undefined;
  usedAt: number;
}

interface Crashes {
  readonly count: number;
  readonly last: number;
  /** Why it could not be loaded the last time; absent where it died at work. */
  readonly failure?: GatewayError;
}

/** After this long without a crash, a model's record is clean again. */
const FORGIVEN_MS = 60_000;
const LONGEST_DELAY_MS = 30_000;

function delayAfter(crashes: Crashes | undefined, now: number): number {
  if (!crashes || crashes.count < 2 || now - crashes.last > FORGIVEN_MS) return 0;
  return Math.max(0, crashes.last + Math.min(LONGEST_DELAY_MS, 250 * 2 ** crashes.count) - now);
}

function sum(past: EngineWork = NO_WORK, work: EngineWork = NO_WORK): EngineWork {
  return {
    busy: work.busy,
    waiting: work.waiting,
    promptSteps: past.promptSteps + work.promptSteps,
    promptTokens: past.promptTokens + work.promptTokens,
    reusedTokens: past.reusedTokens + work.reusedTokens,
    generateSteps: past.generateSteps + work.generateSteps,
    generatedTokens: past.generatedTokens + work.generatedTokens,
  };
}

export function createEngineManager({ settings, log, start, verify }: ManagerParts): EngineManager {
  const entries = new Map<string, Entry>();
  const crashes = new Map<string, Crashes>();
  const freed = new Set<() => void>();
  /** What engines that are gone have done, by model. */
  const past = new Map<string, EngineWork>();
  let closed = false;

  const remove = (entry: Entry): void => {
    clearTimeout(entry.idleTimer);
    const { id } = entry.model;
    if (entry.loaded && entries.get(id) === entry) past.set(id, sum(past.get(id), entry.loaded.work()));
    if (entries.get(entry.model.id) === entry) entries.delete(entry.model.id);
    for (const wake of freed) wake();
  };

  const unload = async (entry: Entry, why: string): Promise<void> => {
    remove(entry);
    if (!entry.loaded) {
      entry.loading.abort(new GatewayError('cancelled', 'Loading was cancelled.'));
      return;
    }
    log.info({ model: entry.model.id, why }, 'model unloaded');
    await entry.loaded.stop();
  };

  const noteCrash = (id: string, failure?: GatewayError): void => {
    const known = crashes.get(id);
    const now = Date.now();
    const count = known && now - known.last < FORGIVEN_MS ? known.count + 1 : 1;
    crashes.set(id, { count, last: now, ...(failure ? { failure } : {}) });
  };

  const onGone = (entry: Entry, words: string): void => {
    if (entries.get(entry.model.id) !== entry) return;
    remove(entry);
    noteCrash(entry.model.id);
    log.warn({ model: entry.model.id, why: words }, 'engine stopped unexpectedly; it is started again for the next request');
  };

  const startEntry = async (entry: Pick<Entry, 'model' | 'loading'>, onProgress: (fraction: number) => void): Promise<EngineProcess> => {
    const { model, loading } = entry;
    const options = sizeEngine(model, settings);
    const began = performance.now();
    log.info({ model: model.id, bytes: model.bytes, contextSize: options.contextSize, sequences: options.sequences }, 'loading model');
    const started = start({
      options,
      signal: loading.signal,
      onProgress,
      onOutput: (line) => log.debug({ model: model.id, line }, 'engine output'),
    });
    try {
      const [engine] = await Promise.all([started, verify(model, loading.signal)]);
      log.info({ model: model.id, ms: Math.round(performance.now() - began), pid: engine.pid }, 'model loaded');
      for (const warning of engine.warnings) log.warn({ model: model.id }, warning);
      return engine;
    } catch (cause) {
      loading.abort(cause);
      await started.then(
        (engine) => engine.stop(),
        () => undefined,
      );
      throw cause;
    }
  };

  const load = (model: LocalModel): Entry => {
    const loading = new AbortController();
    const tooLong = (): void => {
      const words = `Loading the model '${model.id}' took longer than ${settings.loadTimeoutMs} ms.`;
      loading.abort(new GatewayError('overloaded', words, { retryAfterMs: 5000 }));
    };
    const timer = settings.loadTimeoutMs > 0 ? setTimeout(tooLong, settings.loadTimeoutMs) : undefined;
    const entry: Entry = {
      model,
      loading,
      engine: startEntry({ model, loading }, (fraction) => {
        entry.progress = fraction;
      }),
      loaded: undefined,
      progress: 0,
      users: 0,
      idleTimer: undefined,
      usedAt: Date.now(),
    };
    entries.set(model.id, entry);
    entry.engine.then(
      (engine) => {
        clearTimeout(timer);
        entry.loaded = engine;
        void engine.gone.then((words) => onGone(entry, words));
        for (const wake of freed) wake();
      },
      (cause: unknown) => {
        clearTimeout(timer);
        remove(entry);
        if (!(cause instanceof GatewayError && cause.kind === 'cancelled')) {
          noteCrash(model.id, toGatewayError(cause));
          log.warn({ model: model.id, err: cause }, 'model could not be loaded');
        }
      },
    );
    return entry;
  };

  /** Makes room for one more model by unloading the idle one used longest ago. False where all are in use. */
  const makeRoom = (): boolean => {
    if (entries.size < settings.maxLoaded) return true;
    const idle = [...entries.values()].filter((entry) => entry.users === 0).sort((a, b) => a.usedAt - b.usedAt)[0];
    if (!idle) return false;
    void unload(idle, 'another model needs its place');
    return true;
  };

  const awaitChange = (signal: Signal, ms: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    freed.add(resolve);
    return unlessAborted(promise, signal).finally(() => {
      clearTimeout(timer);
      freed.delete(resolve);
    });
  };

  /** Joins the model's entry, once there is room and its last crash is long enough ago. */
  const join = async (model: LocalModel, signal: Signal): Promise<Entry> => {
    const deadline = settings.loadTimeoutMs > 0 ? Date.now() + settings.loadTimeoutMs : Number.POSITIVE_INFINITY;
    for (;;) {
      if (closed) throw new GatewayError('overloaded', 'The server is shutting down.', { retryAfterMs: 5000 });
      const crash = crashes.get(model.id);
      const delay = delayAfter(crash, Date.now());
      // A file that cannot be loaded is not tried with every request, nor may it drive out models that work.
      if (delay > 0 && crash?.failure) throw new GatewayError(crash.failure.kind, crash.failure.message, { retryAfterMs: delay });
      const entry = entries.get(model.id) ?? (delay === 0 && makeRoom() ? load(model) : undefined);
      if (entry) {
        // In the same turn: an entry without users may be unloaded for another model.
        entry.users++;
        clearTimeout(entry.idleTimer);
        return entry;
      }
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new GatewayError('overloaded', 'All models that may be loaded at once are in use. Try again later.', { retryAfterMs: 5000 });
      }
      await awaitChange(signal, Math.min(left, delay > 0 ? delay : LONGEST_DELAY_MS));
    }
  };

  const leave = (entry: Entry): void => {
    entry.users--;
    entry.usedAt = Date.now();
    if (entry.users > 0) return;
    for (const wake of freed) wake();
    if (entries.get(entry.model.id) !== entry) return;
    if (!entry.loaded) {
      // Everybody who waited has gone.
      void unload(entry, 'nobody waits for it any more');
      return;
    }
    if (settings.idleUnloadMs === 0) return;
    clearTimeout(entry.idleTimer);
    entry.idleTimer = setTimeout(() => void unload(entry, 'idle'), settings.idleUnloadMs).unref();
  };

  return {
    async acquire(model, signal) {
      signal.throwIfAborted();
      const entry = await join(model, signal);
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        leave(entry);
      };
      try {
        return { engine: await unlessAborted(entry.engine, signal), release };
      } catch (cause) {
        release();
        throw cause;
      }
    },
    status: () =>
      [...entries.values()].map((entry) => ({
        id: entry.model.id,
        state: entry.loaded ? 'loaded' : 'loading',
        progress: entry.loaded ? 1 : entry.progress,
        inFlight: entry.loaded?.inFlight() ?? entry.users,
        ...(entry.loaded?.pid === undefined ? {} : { pid: entry.loaded.pid }),
      })),
    figures: () =>
      [...new Set([...past.keys(), ...entries.keys()])].map((id) => {
        const engine = entries.get(id)?.loaded;
        return { id, loaded: engine !== undefined, sequences: engine?.sequences ?? 0, ...sum(past.get(id), engine?.work()) };
      }),
    async close() {
      closed = true;
      await Promise.all([...entries.values()].map((entry) => unload(entry, 'shutdown')));
    },
  };
}
