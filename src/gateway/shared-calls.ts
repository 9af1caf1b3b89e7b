/** One call for all who ask the same at the same time. */
import { Abort, unlessAborted } from '../core/abort.ts';
import type { Call, Handler, Reply } from '../core/call.ts';
import type { Batch } from '../core/event.ts';
import { watched } from '../core/watched.ts';
import { createFanOut } from './fan-out.ts';
import type { FanOut } from './fan-out.ts';

export interface SharedCallsOptions {
  /** Bytes of one stream that are kept for those who come later or read slower. */
  readonly limit: number;
  /** Takes memory, and gives it back with a negative number; false where there is none left. */
  readonly hold: (bytes: number) => boolean;
}

export interface SharedCalls {
  /** The reply of the call of this key that runs already; undefined where none does. Rejects where that one has no output. */
  join(key: string, call: Call): Promise<Reply> | undefined;
  /** Starts a call that others may join. It goes on as long as one of those who wait for it is there. */
  lead(key: string, call: Call, handler: Handler): Promise<Reply>;
  /** Calls that may be joined now. */
  size(): number;
}

interface Shared {
  /** What the handler said, or says yet. */
  readonly reply: Promise<Reply>;
  readonly fanOut: FanOut;
}

/** Calls with the same key have the same answer; whether they do is the caller's to know. */
export function createSharedCalls({ limit, hold }: SharedCallsOptions): SharedCalls {
  const open = new Map<string, Shared>();

  const start = (key: string, call: Call, handler: Handler): Shared => {
    const control = new Abort();
    const close = (): void => {
      if (open.get(key) === shared) open.delete(key);
    };
    const fanOut = createFanOut({ limit, hold, closed: close, abandoned: (reason) => control.abort(reason) });
    const reply = handler({ ...call, signal: control });
    const shared: Shared = { reply, fanOut };
    open.set(key, shared);
    // before anybody else hears of it, so that whoever tries again finds the place free
    reply.then(
      (answer) => (answer.kind === 'full' ? fanOut.end() : fanOut.start(answer.batches)),
      () => fanOut.end(),
    );
    return shared;
  };

  const take = async ({ reply, fanOut }: Shared, call: Call, mode: 'leads' | 'follows'): Promise<Reply> => {
    const reader = fanOut.enter(call.signal);
    try {
      const answer = await unlessAborted(reply, call.signal);
      if (answer.kind === 'full') {
        reader.leave();
        return answer;
      }
      return { ...answer, batches: mode === 'leads' ? reader.batches : rewritten(reader.batches) };
    } catch (cause) {
      reader.leave();
      throw cause;
    }
  };

  return {
    join(key, call) {
      const shared = open.get(key);
      return shared && take(shared, call, 'follows');
    },
    lead: (key, call, handler) => take(start(key, call, handler), call, 'leads'),
    size: () => open.size,
  };
}

/** Frames that pass as they are were asked for with another `stream_options`: the others' are written anew. */
function rewritten(batches: AsyncIterable<Batch>): AsyncIterable<Batch> {
  return watched(batches, { pass: ({ events }) => ({ events }) });
}
