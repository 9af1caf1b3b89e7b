/** The exact cache: the same request by the same tenant gets the answer that is there, or shares the call that runs. */
import type { Call, Handler, Layer, Reply } from '../core/call.ts';
import type { ChatResponse, StopReason } from '../core/chat.ts';
import { createByteLru } from './byte-lru.ts';
import type { ByteLru } from './byte-lru.ts';
import { cacheKey } from './cache-key.ts';
import { readAnswer, textOfAnswer } from './kept-answer.ts';
import type { KeptAnswer } from './kept-answer.ts';
import { matcher } from './model-names.ts';
import type { CacheStore } from './ports.ts';
import { createRecording, recorded } from './recording.ts';
import { createSharedCalls } from './shared-calls.ts';

export interface CacheSettings {
  /** Where a request does not say otherwise. */
  readonly enabled: boolean;
  /** Requests may switch it on for themselves. */
  readonly perRequest: boolean;
  /** Of all answers in memory, those included that are just being collected. An answer has an eighth of it at most. */
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
  /** Where answers are kept; absent: in memory, here. */
  readonly shared?: CacheStore | undefined;
}

/**
 * A cache for one configuration: with another, a model's name may lead elsewhere.
 * Only answers that came to their end are kept; a hit makes no attempt, and says what the answer said, usage included.
 * Nothing of the cache is waited for: a stream passes as it comes, and what fails here leaves the call alone.
 */
export function cached({ settings, now, failed, shared }: CacheParts): Layer {
  const limit = Math.max(1, settings.maxBytes / 8);
  const lru = createByteLru({ maxBytes: settings.maxBytes, ttlMs: settings.ttlMs, now });
  // nothing of what is shared is kept here as well: what another process has refreshed would not be seen
  const store = shared ? heldOnItsWay(shared, lru.hold) : inMemory(lru);
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
  const hitOf = (text: string | undefined, call: Call): Reply | undefined => {
    const kept = text === undefined ? undefined : readAnswer(text);
    if (!kept) return undefined;
    call.trace.cache = 'hit';
    return { kind: 'full', response: kept.response, ignored: forCall(kept.ignored, call) };
  };
  /** At once where it is in memory. */
  const find = (key: string, call: Call): Reply | undefined | Promise<Reply | undefined> => {
    const text = store.get(key);
    if (!(text instanceof Promise)) return hitOf(text, call);
    return text.then((late) => {
      call.signal.throwIfAborted();
      return hitOf(late, call);
    });
  };
  const keep = (key: string, answer: KeptAnswer): void => {
    const text = textOfAnswer(answer);
    if (Buffer.byteLength(text) <= limit) void store.set(key, text);
  };

  return (next) => {
    /** Answers anew, and keeps the answer. */
    const answer = async (call: Call, key: string): Promise<Reply> => {
      call.trace.cache = 'miss';
      const reply = await next(call);
      const done = (response: ChatResponse): void => {
        if (isWhole(response, call)) keep(key, { response, ignored: ofAnswer(reply.ignored) });
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
        const found = find(key, call);
        const hit = found instanceof Promise ? await found : found;
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
      const found = find(key, call);
      const hit = found instanceof Promise ? await found : found;
      return hit ?? answer(call, key);
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

/** Lies outside the heap. */
function inMemory(lru: ByteLru): CacheStore {
  return {
    get(name) {
      const bytes = lru.get(name);
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    },
    set(name, text) {
      // not from the common pool, of which a small piece would keep 8 KiB alive
      const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
      bytes.write(text);
      lru.set(name, bytes);
    },
  };
}

/** What is on its way there takes memory as long: where there is none left for it, it is not kept. */
function heldOnItsWay(store: CacheStore, hold: ByteLru['hold']): CacheStore {
  return {
    get: store.get,
    async set(name, text) {
      const bytes = Buffer.byteLength(text);
      if (!hold(bytes)) return;
      await store.set(name, text);
      hold(-bytes);
    },
  };
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
