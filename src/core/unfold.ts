/** The other way round than `fold`: a finished answer as the events of a stream. */
import type { Block, ChatResponse } from './chat.ts';
import type { ChatEvent, StreamBlock } from './event.ts';

/** Log probabilities go with the choice's first text (or refusal), which they spell. */
export function unfold(response: ChatResponse): ChatEvent[] {
  const { choices, usage, ...head } = response;
  const events: ChatEvent[] = [{ type: 'start', ...head }];
  for (const [choice, { blocks, logprobs, annotations, reason }] of choices.entries()) {
    const spelled = blocks.findIndex((block) => block.type === 'text' || block.type === 'refusal');
    for (const [block, whole] of blocks.entries()) {
      const parts = asStreamed(whole);
      if (!parts) continue;
      const own = block === spelled && logprobs ? { logprobs } : {};
      events.push({ type: 'block_start', choice, block, of: parts.of });
      if (parts.text !== '' || own.logprobs) events.push({ type: 'block_delta', choice, block, text: parts.text, ...own });
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
  if (usage) events.push({ type: 'usage', usage });
  events.push({ type: 'end' });
  return events;
}

/** Images, audio files and documents are never part of an answer's stream. */
function asStreamed(block: Block): { of: StreamBlock; text: string } | undefined {
  switch (block.type) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return { of: { type: block.type }, text: block.text };
    case 'tool_call':
      return { of: { type: 'tool_call', id: block.id, kind: block.kind, name: block.name }, text: block.input };
    case 'opaque':
    case 'speech':
      return { of: { type: block.type }, text: '' };
    case 'image':
    case 'audio':
    case 'file':
      return undefined;
  }
}
