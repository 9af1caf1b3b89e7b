/** The other way round than `fold`: a finished answer as the events of a stream. */
import type { Block, ChatResponse, Choice } from './chat.ts';
import type { ChatEvent, StreamBlock } from './event.ts';

/** Log probabilities go with the choice's first text (or refusal), which they spell. */
export function unfold(response: ChatResponse): ChatEvent[] {
  const { choices, usage, ...head } = response;
  const events: ChatEvent[] = [{ type: 'start', ...head }];
  let index = 0;
  for (const choice of choices) unfoldChoice(choice, index++, events);
  if (usage) events.push({ type: 'usage', usage });
  events.push({ type: 'end' });
  return events;
}

function unfoldChoice({ blocks, logprobs, annotations, reason }: Choice, choice: number, events: ChatEvent[]): void {
  let spelling = logprobs;
  let block = -1;
  for (const whole of blocks) {
    block++;
    const of = streamed(whole);
    if (!of) continue;
    events.push({ type: 'block_start', choice, block, of });
    const text = textIn(whole);
    if (spelling && (of.type === 'text' || of.type === 'refusal')) {
      events.push({ type: 'block_delta', choice, block, text, logprobs: spelling });
      spelling = undefined;
    } else if (text !== '') events.push({ type: 'block_delta', choice, block, text });
    if (whole.type === 'speech') {
      const { id, data, transcript, expiresAt } = whole;
      events.push({ type: 'speech_delta', choice, block, speech: { id, data, transcript, expiresAt } });
    }
    if ('state' in whole && whole.state) events.push({ type: 'block_state', choice, block, state: whole.state });
    events.push({ type: 'block_end', choice, block });
  }
  if (annotations) events.push({ type: 'annotations', choice, annotations });
  events.push({ type: 'finish', choice, reason });
}

/** Images, audio files and documents are never part of an answer's stream. */
function streamed(block: Block): StreamBlock | undefined {
  switch (block.type) {
    case 'text':
    case 'reasoning':
    case 'refusal':
    case 'opaque':
    case 'speech':
      return { type: block.type };
    case 'tool_call':
      return { type: 'tool_call', id: block.id, kind: block.kind, name: block.name };
    case 'image':
    case 'audio':
    case 'file':
      return undefined;
  }
}

function textIn(block: Block): string {
  switch (block.type) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return block.text;
    case 'tool_call':
      return block.input;
    default:
      return '';
  }
}
