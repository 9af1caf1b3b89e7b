/** How many completions may run at once: the others wait in a short line, and more than that are sent away. */
import type { Call, Layer, Reply } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { isOver } from '../core/event.ts';
import type { Batch } from '../core/event.ts';
import { watched } from '../core/watched.ts';
import { createLine } from './line.ts';

export interface Admission {
  readonly layer: Layer;
  running(): number;
  waiting(): number;
  /** Gives up half of the places that nobody uses, where they are shared; how many. */
  spare(): number;
  /** Completions that run or wait already keep their places. */
  tune(settings: AdmissionSettings): void;
}

export interface AdmissionSettings {
  readonly maxInFlight: number;
  readonly queue: number;
  /** Milliseconds that a completion may wait for a place. */
  readonly maxWaitMs: number;
}

/** Places that several processes have together: each of them has some, and asks for more when it has not enough. */
export interface SharedPlaces {
  /** So many more are this process's from now on; 0 where all are in use. */
  more(): Promise<number>;
}

const EVERYBODY = 'all';
/** While somebody waits, places that others do not need any more are asked for so often. */
const ASK_AGAIN_MS = 20;

/**
 * A completion has its place until its answer is over, whole or broken off, or until its signal fires. An overloaded
 * server answers 503 with a Retry-After instead of falling over. With `shared` places, `maxInFlight` is the concern of those who share them.
 */
export function createAdmission(atFirst: AdmissionSettings, shared?: SharedPlaces): Admission {
  let { maxInFlight, maxWaitMs } = shared ? { ...atFirst, maxInFlight: 0 } : atFirst;
  const line = createLine(atFirst.queue);
  let running = 0;

  /** Places of those who have been called in and have not come yet. */
  let called = 0;

  /** Calls in who has waited longest, as long as there are places. */
  const callIn = (): void => {
    while (line.waiting() > 0 && running + called < maxInFlight) {
      called++;
      line.freed(EVERYBODY);
    }
  };
  const isFull = (): boolean => running + called >= maxInFlight;

  let asking: Promise<number> | undefined;
  /** How many came. */
  const askForMore = (places: SharedPlaces): Promise<number> => {
    asking ??= askOnce(places).finally(() => (asking = undefined));
    return asking;
  };
  const askOnce = async (places: SharedPlaces): Promise<number> => {
    const some = await places.more();
    maxInFlight += some;
    callIn();
    return some;
  };
  let again: NodeJS.Timeout | undefined;
  const askAgain = (places: SharedPlaces): void => {
    again ??= setTimeout(() => {
      again = undefined;
      if (line.waiting() === 0) return;
      // who cannot be asked is gone, and this process soon as well
      askForMore(places).then(
        () => askAgain(places),
        () => undefined,
      );
    }, ASK_AGAIN_MS).unref();
  };

  /** Waits for a place where there is none, and takes it in the moment in which it is free. */
  const queue = async (call: Call): Promise<void> => {
    for (;;) {
      if (!shared || !isFull()) break;
      // those that came may be taken already, by others who asked for the same ones
      if ((await askForMore(shared)) > 0) continue;
      askAgain(shared);
      break;
    }
    if (isFull()) {
      if ((await line.wait([EVERYBODY], maxWaitMs, call.signal)) === undefined) throw tooMany(running);
      called--;
      if (call.signal.aborted) callIn();
      call.signal.throwIfAborted();
    }
    running++;
  };
  /** What frees a call's place, at the latest when its signal fires. */
  const leaving = (call: Call): (() => void) => {
    let held = true;
    const free = (): void => {
      if (!held) return;
      held = false;
      running--;
      call.signal.removeEventListener('abort', free);
      callIn();
    };
    call.signal.addEventListener('abort', free, { once: true });
    return free;
  };

  return {
    layer: (next) => async (call) => {
      if (isFull()) await queue(call);
      else running++;
      const free = leaving(call);
      try {
        return until(await next(call), free);
      } catch (cause) {
        free();
        throw cause;
      }
    },
    running: () => running,
    waiting: () => line.waiting(),
    spare() {
      const some = Math.ceil(Math.max(0, maxInFlight - running - called) / 2);
      maxInFlight -= some;
      return some;
    },
    tune(next) {
      ({ maxWaitMs } = next);
      if (!shared) ({ maxInFlight } = next);
      line.tune(next.queue);
      callIn();
    },
  };
}

function tooMany(running: number): GatewayError {
  return new GatewayError('overloaded', `The server has ${running} completions running already. Try again later.`, { retryAfterMs: 1000 });
}

/** The same reply; `over` is called once, when it has been read to its end or left. */
export function until(reply: Reply, over: () => void): Reply {
  if (reply.kind === 'full') {
    over();
    return reply;
  }
  const pass = (batch: Batch): Batch => {
    if (isOver(batch.events)) over();
    return batch;
  };
  return { ...reply, batches: watched(reply.batches, { pass, over }) };
}
