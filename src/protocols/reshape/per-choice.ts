/** What the reshaping steps have in common: every choice has a state of its own, the rest of the stream passes. */
import type { ChatEvent } from '../../core/event.ts';
import type { Reshape } from '../wire.ts';

export type ChoiceEvent = Extract<ChatEvent, { readonly choice: number }>;
/** What happens to one block. */
export type BlockEvent = Extract<ChatEvent, { readonly block: number }>;
export type Emit = (event: ChatEvent) => void;

/** Takes the events of one choice; what it gives to the `emit` it was made with goes on. */
export type ChoiceStep = (event: ChoiceEvent) => void;

/** `make` is called once for each choice of an answer, with its index. */
export function perChoice(make: (emit: Emit, choice: number) => ChoiceStep): Reshape {
  const steps = new Map<number, ChoiceStep>();
  let out: ChatEvent[] = [];
  const emit: Emit = (event) => void out.push(event);
  return {
    push(events) {
      out = [];
      for (const event of events) {
        if (!('choice' in event)) {
          out.push(event);
          continue;
        }
        let step = steps.get(event.choice);
        if (!step) {
          step = make(emit, event.choice);
          steps.set(event.choice, step);
        }
        step(event);
      }
      return out;
    },
  };
}
