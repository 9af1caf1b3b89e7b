/** The exact cache: the same request by the same tenant gets the answer that is there, or shares the call that runs. */
import type { Call, Handler, Layer, Reply } from '../core/call.ts';
import type { ChatResponse, StopReason } from '../core/chat.ts';
import { createByteLru } from './byte-lru.ts';
import type { ByteLru } from './byte-lru.ts';
import { cacheKey } from './cache-key.ts';
import { matcher } from './model-names.ts';
import { createRecording, recorded } from './recording.ts';
import { createSharedCalls } from './shared-calls.ts';

export interface CacheSettings {
  /** Where a request does not say otherwise. */
  readonly enabled: boolean;
  /** Requests may switch it on for themselves. */
  readonly perRequest: boolean;
  /** Of all answers, those included that are just being collected. */
  readonly maxBytes: number;
  /** Milliseconds; 0: until an answer is pushed out. */
  readonly ttlMs: number;
  /** Patterns of names as clients ask for them, `*` is any text; none: all. */
  readonly models: readonly string[];
  /** Identical requests at the same time share one call. */
  readonly share: boolean;
}

export interface CacheParts {
  readonly settings: CacheSettings;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Something went wrong in the cache itself. The call goes on without it. */
  readonly failed: (cause: unknown) => void;
}

/**
 * A cache of its own, for one configuration: with another, a model's name may lead elsewhere.
 * Only answers that came to their end are kept; a hit makes no attempt, and says what the answer said, usage included.
 * Nothing of the cache is waited for: a stream passes as it comes, and what fails here leaves the call alone.
 */
export function cached({ settings, now, failed }: CacheParts): Layer {
  const limit = Math.max(1, settings.maxBytes / 8);
  const lru = createByteLru({ maxBytes: settings.maxBytes, ttlMs: settings.ttlMs, now });
  const sharedCalls = settings.share ? createSharedCalls({ limit, hold: lru.hold }) : undefined;
  const matches = settings.models.length === 0 ? () => true : matcher(settings.models);

  const wants = (call: Call): boolean => {
    const { cache, request } = call;
    if (cache === 'skip') return false;
    if (settings.enabled && matches(request.model)) return true;
    return cache !== undefined && settings.perRequest;
  };
  const keyOf = (call: Call): string | undefined => {
    try {
      return cacheKey({ tenant: call.principal.id, body: call.request.raw });
    } catch (cause) {
      failed(cause);
      return undefined;
    }
  };
  const find = (key: string, call: Call): Reply | undefined => {
    try {
      return read(lru, key, call);
    } catch (cause) {
      failed(cause);
      return undefined;
    }
  };

  return (next) => {
    /** Answers anew, and keeps the answer. */
    const answer = async (call: Call, key: string): Promise<Reply> => {
      call.trace.cache = 'miss';
      const reply = await next(call);
      const done = (response: ChatResponse): void => {
        if (isWhole(response, call)) write(lru, { key, limit, entry: { response, ignored: ofAnswer(reply.ignored) } });
      };
      if (reply.kind === 'full') {
        try {
          done(reply.response);
        } catch (cause) {
          failed(cause);
        }
        return reply;
      }
      const recording = createRecording({ limit, hold: lru.hold, done, failed });
      return { ...reply, batches: recorded(reply.batches, recording, call.signal) };
    };

    /** The answer of a call that runs already, or that of a new one that others may join. */
    const share = async (call: Call, { key, calls }: Sharing): Promise<Reply> => {
      for (let failures = 0; ;) {
        const hit = find(key, call);
        if (hit) return hit;
        const running = calls.join(key, call);
        if (!running) return calls.lead(key, call, (led) => answer(led, key));
        call.trace.cache = 'shared';
        try {
          const reply = await running;
          return { ...reply, ignored: forCall(ofAnswer(reply.ignored), call) };
        } catch (cause) {
          // the first of those who waited makes one more call, for all of them: one each would keep the last waiting for ever
          call.signal.throwIfAborted();
          if (++failures === CALLS_TO_WAIT_FOR) throw cause;
        }
      }
    };

    const handler: Handler = async (call) => {
      const key = wants(call) ? keyOf(call) : undefined;
      if (key === undefined) return next(call);
      if (call.cache === 'refresh') return answer(call, key);
      if (sharedCalls) return share(call, { key, calls: sharedCalls });
      return find(key, call) ?? answer(call, key);
    };
    return handler;
  };
}

/** Of others, before their failure is taken for one's own. */
const CALLS_TO_WAIT_FOR = 2;

interface Sharing {
  readonly key: string;
  readonly calls: ReturnType<typeof createSharedCalls>;
}

interface Entry {
  readonly response: ChatResponse;
  readonly ignored: readonly string[];
}

/** As JSON: its size is known to the byte, it lies outside the heap, and nobody who got it can change it for the next. */
function write(lru: ByteLru, { key, limit, entry }: { readonly key: string; readonly limit: number; readonly entry: Entry }): void {
  const json = JSON.stringify(entry);
  const length = Buffer.byteLength(json);
  if (length > limit) return;
  // not from the common pool, of which a small piece would keep 8 KiB alive
  const bytes = Buffer.allocUnsafeSlow(length);
  bytes.write(json);
  lru.set(key, bytes);
}

function read(lru: ByteLru, key: string, call: Call): Reply | undefined {
  const bytes = lru.get(key);
  if (!bytes) return undefined;
  const { response, ignored } = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as Entry;
  call.trace.cache = 'hit';
  // JSON has no word for a usage that nobody reported
  return { kind: 'full', response: { ...response, usage: response.usage }, ignored: forCall(ignored, call) };
}

/** Ends that another try may not have: what a filter kept back, what is still to be gone on with. */
const PASSING: ReadonlySet<StopReason> = new Set(['content_filter', 'pause']);

function isWhole({ choices }: ChatResponse, { request }: Call): boolean {
  return choices.length >= request.n && choices.every(({ reason }) => !PASSING.has(reason));
}

/** Options of the stream are not part of the key: what became of them is no part of the answer. */
const OF_STREAM = 'stream_options.';

function ofAnswer(ignored: readonly string[]): readonly string[] {
  return ignored.filter((path) => !path.startsWith(OF_STREAM));
}

/** Nor do they have an effect on an answer that is written anew. */
function forCall(ignored: readonly string[], { request }: Call): readonly string[] {
  return [...ignored, ...request.extras.filter((path) => path.startsWith(OF_STREAM))];
}
