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
  /** Completions that run or wait already keep their places. */
  tune(settings: AdmissionSettings): void;
}

export interface AdmissionSettings {
  readonly maxInFlight: number;
  readonly queue: number;
  /** Milliseconds that a completion may wait for a place. */
  readonly maxWaitMs: number;
}

const EVERYBODY = 'all';

/**
 * A completion has its place until its answer is over, whole or broken off, or until its signal fires. An overloaded
 * server answers 503 with a Retry-After instead of falling over.
 */
export function createAdmission(atFirst: AdmissionSettings): Admission {
  let { maxInFlight, maxWaitMs } = atFirst;
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
  const take = async (call: Call): Promise<() => void> => {
    if (running + called >= maxInFlight) {
      if ((await line.wait([EVERYBODY], maxWaitMs, call.signal)) === undefined) throw tooMany(running);
      called--;
      if (call.signal.aborted) callIn();
      call.signal.throwIfAborted();
    }
    running++;
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
      const free = await take(call);
      try {
        return until(await next(call), free);
      } catch (cause) {
        free();
        throw cause;
      }
    },
    running: () => running,
    waiting: () => line.waiting(),
    tune(next) {
      ({ maxInFlight, maxWaitMs } = next);
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
