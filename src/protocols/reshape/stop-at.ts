/** Stop strings that the provider was not sent, or does not know: the answer is cut here. */
import type { Annotation } from '../../core/chat.ts';
import type { Reshape } from '../wire.ts';
import { perChoice } from './per-choice.ts';
import type { ChoiceEvent, ChoiceStep, Emit } from './per-choice.ts';
import { createTextQueue, possibleBeginning } from './text-queue.ts';

/**
 * Ends the text of a choice before the first of `strings` in it, wherever blocks and deltas begin and end, and swallows
 * what comes after; the choice then ends with `stop`. Of two that end at the same place the longer one counts. Held back
 * is only what may be the beginning of a stop string. Reasoning and the arguments of calls are not looked at.
 */
export function stopAt(strings: readonly string[]): Reshape {
  const wanted = strings.filter((one) => one !== '');
  return perChoice((emit) => stopping(emit, wanted));
}

function stopping(emit: Emit, wanted: readonly string[]): ChoiceStep {
  const texts = new Set<number>();
  const open = new Set<number>();
  let waiting = '';
  let told = 0;
  let stopped = false;
  let called = false;
  /** Citations of text that is not out yet. */
  const citations: Annotation[] = [];
  const send: Emit = (event) => {
    if (event.type === 'block_start') open.add(event.block);
    if (event.type === 'block_end') open.delete(event.block);
    if (event.type === 'block_delta' && texts.has(event.block)) told += event.text.length;
    emit(event);
  };
  const queue = createTextQueue(send);

  return (event) => {
    if (event.type === 'finish') return finish(event);
    if (event.type === 'annotations') return cite(event.choice, event.annotations);
    if (event.type === 'block_start' && event.of.type === 'text') texts.add(event.block);
    if (stopped) {
      // a call that began before goes on, so that its arguments are whole
      if (open.has(event.block)) send(event);
      return undefined;
    }
    if (!texts.has(event.block)) {
      if (event.type === 'block_start' && event.of.type === 'tool_call') called = true;
      return send(event);
    }
    if (event.type === 'block_delta' && event.text !== '') return grow(event);
    if (queue.empty) return send(event);
    return queue.push(event);
  };

  function grow(event: Extract<ChoiceEvent, { readonly type: 'block_delta' }>): void {
    queue.push(event);
    waiting += event.text;
    const hit = firstHit(waiting, wanted);
    if (hit !== undefined) return cut(event.choice, hit);
    const kept = possibleBeginning(waiting, wanted);
    queue.release(waiting.length - kept);
    waiting = waiting.slice(waiting.length - kept);
    if (citations.length > 0) cite(event.choice, citations.splice(0));
  }

  function cut(choice: number, at: number): void {
    queue.release(at);
    queue.clear();
    waiting = '';
    stopped = true;
    for (const block of texts) if (open.has(block)) send({ type: 'block_end', choice, block });
    cite(choice, citations.splice(0));
  }

  function cite(choice: number, annotations: readonly Annotation[]): void {
    const known = annotations.filter(({ end }) => end <= told);
    if (!stopped) citations.push(...annotations.filter(({ end }) => end > told));
    if (known.length > 0) emit({ type: 'annotations', choice, annotations: known });
  }

  function finish(event: Extract<ChoiceEvent, { readonly type: 'finish' }>): void {
    if (stopped) return emit({ ...event, reason: called ? 'tool_calls' : 'stop' });
    queue.releaseAll();
    // positions beyond the text are the provider's own affair
    if (citations.length > 0) emit({ type: 'annotations', choice: event.choice, annotations: citations.splice(0) });
    return emit(event);
  }
}

/** Where the stop string begins that is complete first. */
function firstHit(text: string, wanted: readonly string[]): number | undefined {
  let hit: { readonly begin: number; readonly end: number } | undefined;
  for (const one of wanted) {
    const begin = text.indexOf(one);
    if (begin < 0) continue;
    const end = begin + one.length;
    if (!hit || end < hit.end || (end === hit.end && begin < hit.begin)) hit = { begin, end };
  }
  return hit?.begin;
}
