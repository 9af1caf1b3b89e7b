/** Completions that a client asks to keep (`store: true`): they are kept here, for the project of its key. */
import type { Call, Layer, Reply } from '../core/call.ts';
import type { ChatRequest, ChatResponse } from '../core/chat.ts';
import { beforeEnd } from './over.ts';
import { createRecording, recorded } from './recording.ts';
import type { StoredCompletion } from './accounts.ts';
import type { CompletionStore } from './store-ports.ts';

export interface StoredParts {
  readonly completions: Pick<CompletionStore, 'put'>;
  /** The answer as the client gets it. */
  readonly encode: (response: ChatResponse, request: ChatRequest) => unknown;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** What could not be kept. The answer goes out all the same. */
  readonly failed: (cause: unknown) => void;
}

/** A longer answer is not kept. */
const LONGEST_ANSWER = 32 * 1024 * 1024;

const OURS: ReadonlySet<string> = new Set(['store', 'metadata']);

/** Whole answers alone: none that failed, broke off, or whose reader left. */
export function stored(parts: StoredParts): Layer {
  return (next) => async (call) => {
    const { projectId } = call.principal;
    if (call.request.raw['store'] !== true || projectId === undefined) return next(call);
    const reply = await next({ ...call, request: withoutStore(call.request) });
    const keep = async (response: ChatResponse): Promise<void> => {
      try {
        await parts.completions.put(completionOf(call, { projectId, response, parts }));
      } catch (cause) {
        parts.failed(cause);
      }
    };
    return kept(reply, { call, keep, failed: parts.failed });
  };
}

interface Keeping {
  readonly call: Call;
  readonly keep: (response: ChatResponse) => Promise<void>;
  readonly failed: (cause: unknown) => void;
}

/** It is there to be read when its reader has heard of the end. */
async function kept(reply: Reply, { call, keep, failed }: Keeping): Promise<Reply> {
  if (reply.kind === 'full') {
    await keep(reply.response);
    return reply;
  }
  let keeping: Promise<void> | undefined;
  const recording = createRecording({
    limit: LONGEST_ANSWER,
    hold: () => true,
    done: (response) => {
      keeping = keep(response);
    },
    failed,
  });
  const batches = recorded(reply.batches, recording, call.signal);
  return beforeEnd({ ...reply, batches }, call.signal, async () => keeping);
}

/**
 * What a provider gets: it is not asked to keep what is kept here. It would be kept in the account of whoever runs this server, where
 * the client can neither read nor delete it; and OpenAI takes `metadata` only with what it keeps.
 */
function withoutStore(request: ChatRequest): ChatRequest {
  const raw = Object.fromEntries(Object.entries(request.raw).filter(([name]) => !OURS.has(name)));
  return { ...request, raw: { ...raw, store: false }, extras: request.extras.filter((path) => !OURS.has(path)) };
}

interface Answered {
  readonly projectId: string;
  readonly response: ChatResponse;
  readonly parts: StoredParts;
}

function completionOf({ request }: Call, { projectId, response, parts }: Answered): StoredCompletion {
  const { metadata } = request.raw;
  return {
    id: response.id,
    projectId,
    createdAt: parts.clock(),
    model: response.model,
    // the schema has said that they are texts
    metadata: { ...(metadata as Readonly<Record<string, string>> | null | undefined) },
    request: request.raw,
    response: parts.encode(response, request),
  };
}
