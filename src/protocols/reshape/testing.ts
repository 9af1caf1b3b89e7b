/** What the tests of the steps share: answers as events, cut into deltas of any size, and what comes of them. */
import assert from 'node:assert/strict';
import type { Block, ChatResponse, Choice, TokenLogprob } from '../../core/chat.ts';
import { createFolder } from '../../core/event.ts';
import type { ChatEvent } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import type { Reshape } from '../wire.ts';
import { splitDelta } from './text-queue.ts';

export const USAGE = { promptTokens: 1, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 };

export function answer(...choices: readonly Choice[]): ChatResponse {
  return { id: 'chatcmpl-1', model: 'm', created: 1, choices, usage: USAGE };
}

export function said(...blocks: readonly Block[]): ChatResponse {
  const called = blocks.some(({ type }) => type === 'tool_call');
  return answer({ blocks, reason: called ? 'tool_calls' : 'stop' });
}

export const text = (value: string): Block => ({ type: 'text', text: value });
export const call = (name: string, input: string, id = 'call_1'): Block => ({ type: 'tool_call', id, kind: 'function', name, input });
export const score = (token: string): TokenLogprob => ({ token, logprob: -1, bytes: [...Buffer.from(token)], top: [] });

/** The same events with deltas of at most `size` UTF-16 units, no surrogate pair cut. */
export function inPieces(events: readonly ChatEvent[], size: number): ChatEvent[] {
  return events.flatMap((event) => {
    if (event.type !== 'block_delta') return [event];
    const pieces: ChatEvent[] = [];
    let rest = event;
    while (rest.text.length > size) {
      const low = rest.text.charCodeAt(size);
      const [piece, more] = splitDelta(rest, low >= 0xdc00 && low <= 0xdfff ? size + 1 : size);
      pieces.push(piece);
      rest = more;
    }
    return rest.text === '' && pieces.length > 0 ? pieces : [...pieces, rest];
  });
}

/** Runs events through a step, one at a time, and checks that every block is opened, grown and closed, and once. */
export function through(step: Reshape, events: readonly ChatEvent[]): ChatEvent[] {
  const out = events.flatMap((event) => [...step.push([event])]);
  const open = new Set<string>();
  const known = new Set<string>();
  const finished = new Set<number>();
  for (const event of out) {
    if (!('choice' in event)) continue;
    assert.ok(!finished.has(event.choice), `${event.type} after the finish of choice ${event.choice}`);
    if (event.type === 'finish') {
      assert.deepEqual([...open], [], 'a block is open at the finish');
      finished.add(event.choice);
    }
    if (!('block' in event)) continue;
    const block = `${event.choice}/${event.block}`;
    if (event.type === 'block_start') {
      assert.ok(!known.has(block), `${block} is opened twice`);
      known.add(block);
      open.add(block);
      continue;
    }
    assert.ok(open.has(block), `${event.type} of ${block}, which is not open`);
    if (event.type === 'block_end') open.delete(block);
  }
  return out;
}

export function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  folder.push(events);
  return folder.end();
}

/** What a step makes of an answer: the same in deltas of one, two, three, seven units and whole, or the test fails. */
export function reshaped(make: () => Reshape, response: ChatResponse): ChatResponse {
  const events = unfold(response);
  const whole = folded(through(make(), events));
  for (const size of [1, 2, 3, 7]) {
    const streamed = folded(through(make(), inPieces(events, size)));
    assert.deepEqual(withoutScores(streamed), withoutScores(whole), `in deltas of ${size}`);
    for (const [index, { logprobs }] of streamed.choices.entries()) {
      assert.equal(spelled(logprobs), spelled(whole.choices[index]?.logprobs), `log probabilities in deltas of ${size}`);
    }
  }
  return whole;
}

/** The text that the tokens spell. */
export const spelled = (scores: readonly TokenLogprob[] | undefined): string | undefined => scores?.map(({ token }) => token).join('');

/** Tokens are cut with the deltas; how many there are says nothing. */
const withoutScores = (response: ChatResponse): unknown => ({
  ...response,
  choices: response.choices.map(({ logprobs: _, ...choice }) => choice),
});

/** The events of the first choice's text as they are let go, for tests of what is held back. */
export function textAfter(step: Reshape, deltas: readonly string[]): string[] {
  step.push([
    { type: 'start', id: 'chatcmpl-1', model: 'm', created: 1 },
    { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } },
  ]);
  return deltas.map((delta) =>
    step
      .push([{ type: 'block_delta', choice: 0, block: 0, text: delta }])
      .map((event) => (event.type === 'block_delta' ? event.text : ''))
      .join(''),
  );
}
