/**
 * Answers that a provider pauses in the middle of a run of its own tools: the request is sent again with the turn so far
 * at its end, until the turn is whole, and what comes is one answer.
 */
import type { Annotation, Block, ChatRequest, StopReason, Usage } from '../../core/chat.ts';
import { toGatewayError } from '../../core/error.ts';
import { createFolder } from '../../core/event.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { sumUsage } from '../../protocols/reshape/fan-in.ts';
import type { Prepared, Reshape } from '../../protocols/wire.ts';

/** How often an answer is gone on with. What is paused then ends as it is, with the state that a client can go on from. */
const MOST_CONTINUATIONS = 8;

export interface TurnReader {
  prepare(request: ChatRequest): Prepared;
  /** Sends it; the answer comes through the steps of its `reshape`. Rejects where there is none. */
  read(prepared: Prepared): Promise<AsyncIterable<Batch>>;
}

/**
 * The answer to `request`, whose own form is `first`, with all its continuations, for one choice. The steps of the first
 * one reshape them all, so that what they wait for (a stop string, the end of a tag) may stand across a joint; what goes
 * back to the provider is what it said itself, before any step. Whatever fails is the last batch's `error`.
 */
export async function* readTurns(request: ChatRequest, first: Prepared, reader: TurnReader): AsyncGenerator<Batch, undefined> {
  const joint = createJoint(request.maxTokens);
  const reshape = [joint, ...first.reshape.map((make) => make())].map((step) => () => step);
  try {
    let prepared = first;
    for (;;) {
      for await (const { events } of await reader.read({ ...prepared, reshape })) {
        // the end of a part told its reader that it is over; nobody else is to hear of it
        const told = joint.pause() ? events.filter(({ type }) => type !== 'end') : events;
        if (told.length > 0) yield { events: told };
      }
      const pause = joint.pause();
      if (!pause) return;
      joint.goOn();
      prepared = reader.prepare(continued(request, pause));
    }
  } catch (cause) {
    yield { events: [{ type: 'error', error: toGatewayError(cause) }] };
  }
}

interface Pause {
  /** The turn so far, as the provider gave it. */
  readonly blocks: readonly Block[];
  /** Tokens it has cost so far; undefined where that was not told. */
  readonly used: number | undefined;
}

/** The limit holds for the whole answer. `raw` stays the client's own: see `Prepared.pauses`. */
function continued(request: ChatRequest, { blocks, used = 0 }: Pause): ChatRequest {
  const { maxTokens } = request;
  const limit = maxTokens === undefined ? {} : { maxTokens: maxTokens - used };
  return { ...request, ...limit, messages: [...request.messages, { role: 'assistant', blocks }] };
}

/** The first of the steps: it sees every turn as the provider gives it, and makes one of them. */
interface Joint extends Reshape {
  /** There once the turn that is being read is over, though the answer is not. */
  pause(): Pause | undefined;
  /** The next turn begins. */
  goOn(): void;
}

function createJoint(maxTokens: number | undefined): Joint {
  const whole = createFolder();
  const usages: (Usage | undefined)[] = [undefined];
  const texts = new Set<number>();
  let called = false;
  let blocks = 0;
  /** UTF-16 units of text. */
  let length = 0;
  /** What the turns before amount to. */
  let before = { blocks: 0, length: 0 };
  /** The turn's end, held back until it is known whether it is the answer's. */
  let finish: Extract<ChatEvent, { readonly type: 'finish' }> | undefined;
  let pause: Pause | undefined;

  return {
    push: (events) => events.flatMap(take),
    pause: () => pause,
    goOn() {
      pause = undefined;
      before = { blocks, length };
      usages.push(undefined);
    },
  };

  function take(event: ChatEvent): readonly ChatEvent[] {
    if (event.type === 'error') return [event];
    if (event.type === 'usage') {
      usages[usages.length - 1] = event.usage;
      return [];
    }
    const moved = 'block' in event ? { ...event, block: event.block + before.blocks } : event;
    if (moved.type === 'annotations') return note({ ...moved, annotations: moved.annotations.map(movedOn) });
    if (moved.type === 'finish' && moved.reason === 'pause') {
      whole.push([moved]);
      finish = moved;
      return [];
    }
    if (moved.type === 'end') return end(moved);
    if (moved.type === 'start' && usages.length > 1) return [];
    return note(moved);
  }

  function note(event: ChatEvent): readonly ChatEvent[] {
    if (event.type === 'block_start') {
      blocks = Math.max(blocks, event.block + 1);
      if (event.of.type === 'text') texts.add(event.block);
      if (event.of.type === 'tool_call') called = true;
    } else if (event.type === 'block_delta' && texts.has(event.block)) length += event.text.length;
    whole.push([event]);
    return [event];
  }

  function movedOn(annotation: Annotation): Annotation {
    return { ...annotation, start: annotation.start + before.length, end: annotation.end + before.length };
  }

  function end(event: ChatEvent): readonly ChatEvent[] {
    const usage = sumUsage(usages);
    const used = usage?.completionTokens;
    const paused = finish;
    finish = undefined;
    const reason = paused && reasonToStop(used);
    if (paused && !reason) {
      whole.push([event]);
      pause = { blocks: whole.end().choices[paused.choice]?.blocks ?? [], used };
      return [event];
    }
    return [...(paused && reason ? [{ ...paused, reason }] : []), ...(usage ? [{ type: 'usage', usage } as const] : []), event];
  }

  /** Why a paused answer ends all the same: calls wait for the client, the limit is reached, it was enough. */
  function reasonToStop(used: number | undefined): StopReason | undefined {
    if (called) return 'tool_calls';
    if (maxTokens !== undefined && used !== undefined && used >= maxTokens) return 'length';
    return usages.length > MOST_CONTINUATIONS ? 'stop' : undefined;
  }
}
