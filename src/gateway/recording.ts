/** A stream, put together to a whole answer while it passes. */
import type { Signal } from '../core/abort.ts';
import type { ChatResponse, TokenLogprob } from '../core/chat.ts';
import { assertNever, createFolder } from '../core/event.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { watched } from '../core/watched.ts';

export interface RecordingOptions {
  /** Bytes of an answer at most; a larger one is given up at once. */
  readonly limit: number;
  /** Takes memory, and gives it back with a negative number; false where there is none left. */
  readonly hold: (bytes: number) => boolean;
  /** Called once, with a stream that came to its `end`; never for one that failed or was cut off. */
  readonly done: (response: ChatResponse) => void;
  /** What went wrong here. The stream passes all the same. */
  readonly failed: (cause: unknown) => void;
}

export interface Recording {
  take(batch: Batch): void;
  /** No more comes: what there is of the answer is forgotten. Does nothing after the end. */
  drop(): void;
}

/** The objects of one event, beside its text. */
const EVENT_OVERHEAD = 64;

/** Never throws. */
export function createRecording({ limit, hold, done, failed }: RecordingOptions): Recording {
  let folder: ReturnType<typeof createFolder> | undefined = createFolder();
  let size = 0;
  let held = 0;

  const drop = (): void => {
    if (!folder) return;
    folder = undefined;
    hold(-held);
  };
  /** False where the answer is too large to be kept. */
  const grow = (events: readonly ChatEvent[]): boolean => {
    const bytes = bytesOf(events);
    const more = bytes + EVENT_OVERHEAD * events.length;
    if (size + bytes > limit || !hold(more)) return false;
    size += bytes;
    held += more;
    return true;
  };
  return {
    take({ events }) {
      if (!folder) return;
      try {
        if (events.some(({ type }) => type === 'error') || !grow(events)) return drop();
        folder.push(events);
        if (events.at(-1)?.type !== 'end') return;
        const whole = folder;
        drop();
        done(whole.end());
      } catch (cause) {
        drop();
        failed(cause);
      }
    },
    drop,
  };
}

/** About as many bytes as the events' contents have as JSON. */
export function bytesOf(events: readonly ChatEvent[]): number {
  let bytes = 0;
  for (const event of events) bytes += sizeOf(event);
  return bytes;
}

function sizeOf(event: ChatEvent): number {
  switch (event.type) {
    case 'block_delta':
      return event.text.length + (event.logprobs ? sizeOfLogprobs(event.logprobs) : 0);
    case 'speech_delta':
      return (event.speech.data?.length ?? 0) + (event.speech.transcript?.length ?? 0);
    case 'block_state':
      return JSON.stringify(event.state).length;
    case 'annotations':
      return JSON.stringify(event.annotations).length;
    case 'start':
    case 'block_start':
    case 'block_end':
    case 'finish':
    case 'usage':
    case 'end':
    case 'error':
      return 0;
    default:
      return assertNever(event);
  }
}

/** `{"token":"","logprob":-0.1234567890123,"bytes":[],"top":[]}`, and up to four characters a byte. */
const LOGPROB = 60;

function sizeOfLogprobs(logprobs: readonly TokenLogprob[]): number {
  let bytes = 0;
  for (const { top, ...own } of logprobs) {
    for (const one of [own, ...top]) bytes += LOGPROB + one.token.length + 4 * (one.bytes?.length ?? 0);
  }
  return bytes;
}

/** The same stream, noted by the recording as it passes. Forgotten where the reader leaves, or the signal fires. */
export function recorded(batches: AsyncIterable<Batch>, recording: Recording, signal: Signal): AsyncIterable<Batch> {
  signal.addEventListener('abort', recording.drop, { once: true });
  return watched(batches, {
    pass(batch) {
      recording.take(batch);
      return batch;
    },
    over() {
      signal.removeEventListener('abort', recording.drop);
      recording.drop();
    },
  });
}
