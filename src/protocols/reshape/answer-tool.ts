/** A structured answer by way of a tool that the model is made to call: its arguments are the answer. */
import type { Reshape } from '../wire.ts';
import { perChoice } from './per-choice.ts';
import type { ChoiceEvent, ChoiceStep, Emit } from './per-choice.ts';

/**
 * The first call of the function `name` becomes the text of its choice, word for word and as it streams; further calls
 * of it are dropped. Calls of other tools stay calls. The client asked for that JSON as the content, so free text beside
 * it (with its citations and log probabilities) is left out: text is held back until the call or the end of the choice,
 * which lets it go where the tool was not called. `tool_calls` becomes `stop` where no call remains.
 */
export function answerFromTool(name: string): Reshape {
  return perChoice((emit) => answering(emit, name));
}

function answering(emit: Emit, name: string): ChoiceStep {
  let held: ChoiceEvent[] = [];
  const texts = new Set<number>();
  /** Blocks of further calls of the tool. */
  const dropped = new Set<number>();
  let answer: number | undefined;
  /** The answer's block is over before anything stood in it. */
  let bare: ChoiceEvent | undefined;
  let grown = false;
  let called = false;

  return (event) => {
    if (event.type === 'finish') return finish(event);
    if (event.type === 'annotations') return hold(event);
    if (event.type === 'block_start') return start(event);
    if (event.block === answer) return grow(event);
    if (dropped.has(event.block)) return undefined;
    return texts.has(event.block) ? hold(event) : emit(event);
  };

  function hold(event: ChoiceEvent): void {
    if (answer === undefined) held.push(event);
  }

  function start(event: Extract<ChoiceEvent, { readonly type: 'block_start' }>): void {
    const { of, block } = event;
    if (of.type === 'text') {
      texts.add(block);
      return hold(event);
    }
    if (of.type !== 'tool_call') return emit(event);
    if (of.kind !== 'function' || of.name !== name) {
      called = true;
      return emit(event);
    }
    if (answer !== undefined) {
      dropped.add(block);
      return undefined;
    }
    answer = block;
    held = [];
    return emit({ ...event, of: { type: 'text' } });
  }

  function grow(event: ChoiceEvent): void {
    // the state of a call means nothing on a text
    if (event.type === 'block_state') return undefined;
    if (event.type === 'block_delta') {
      if (event.text === '') return undefined;
      grown = true;
    }
    if (event.type === 'block_end' && !grown) {
      bare = event;
      return undefined;
    }
    return emit(event);
  }

  function finish(event: Extract<ChoiceEvent, { readonly type: 'finish' }>): void {
    const { choice } = event;
    if (answer === undefined) for (const one of held) emit(one);
    held = [];
    if (bare && answer !== undefined) {
      // a call without arguments is one with an empty object; one that a limit cut off is not
      if (event.reason !== 'length') emit({ type: 'block_delta', choice, block: answer, text: '{}' });
      emit(bare);
    }
    return emit(event.reason === 'tool_calls' && !called ? { ...event, reason: 'stop' } : event);
  }
}
