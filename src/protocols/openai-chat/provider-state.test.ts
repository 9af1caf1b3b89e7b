import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Block, ProviderState } from '../../core/chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { accept, framesOf } from '../../../test/support/openai-chat.ts';
import { parseChatRequest } from './accept.ts';
import { encodeResponse } from './response.ts';
import { createStreamEncoder } from './stream.ts';

const state = (data: string, owner = 'maker'): ProviderState => ({ owner, data: { signature: data } });

interface Message {
  readonly role: 'assistant';
  readonly provider_state?: unknown;
  readonly tool_calls?: readonly { readonly id: string }[];
}

function messageOf(blocks: readonly Block[]): Message {
  const response = { id: 'chatcmpl-1', model: 'm', created: 1, choices: [{ blocks, reason: 'stop' as const }], usage: undefined };
  const body = encodeResponse(response, accept()) as { choices: { message: Message }[] };
  const message = body.choices[0]?.message;
  assert.ok(message);
  return message;
}

/** The blocks of an assistant's message that a client sends back. */
function blocksOf(message: Message): readonly Block[] {
  const answers = (message.tool_calls ?? []).map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'done' }));
  const request = parseChatRequest(
    { model: 'm', messages: [{ role: 'user', content: 'x' }, JSON.parse(JSON.stringify(message)), ...answers] },
    { strict: true },
  );
  assert.deepEqual(request.extras, []);
  return request.messages[1]?.blocks ?? [];
}

const TURN: readonly Block[] = [
  { type: 'reasoning', text: 'first', state: state('a') },
  { type: 'text', text: 'I look' },
  { type: 'opaque', state: state('search') },
  { type: 'text', text: ' it up', state: state('b') },
  { type: 'reasoning', text: '', state: state('c') },
  { type: 'tool_call', id: 'call_1', kind: 'function', name: 'f', input: '{}', state: state('d') },
];

test('state: a turn sent back as it came has its blocks in their order, with their state', () => {
  const back = blocksOf(messageOf(TURN));
  assert.deepEqual(back, TURN);
});

test('state: without any the message has no field for it', () => {
  assert.ok(!('provider_state' in messageOf([{ type: 'text', text: 'x' }])));
});

test('state: a stream sends it once, whole, before the end of the choice', () => {
  const response = {
    id: 'chatcmpl-1',
    model: 'm',
    created: 1,
    choices: [{ blocks: TURN, reason: 'tool_calls' as const }],
    usage: undefined,
  };
  const events: ChatEvent[] = unfold(response);
  const encoder = createStreamEncoder(accept({ stream: true }));
  const { chunks } = framesOf(events.map((event) => encoder.push([event])).join('') + encoder.end());
  const found = chunks.flatMap(({ choices }) => choices).map(({ delta }) => (delta as { provider_state?: unknown }).provider_state);
  assert.deepEqual(
    found.filter((one) => one !== undefined),
    [messageOf(TURN).provider_state],
  );
  assert.ok(found.at(-2) !== undefined && found.at(-1) === undefined);
});

test('state: a text that the client has changed stays as the client has it', () => {
  const message = { ...messageOf(TURN), content: 'something else' };
  assert.deepEqual(
    blocksOf(message).filter(({ type }) => type === 'text'),
    [{ type: 'text', text: 'something else' }],
  );
});

test('state: nothing that the message says is lost, whatever field comes with it', () => {
  const entry = fc.record(
    {
      type: fc.constantFrom('text', 'reasoning', 'tool_call', 'opaque'),
      length: fc.nat(12),
      id: fc.constantFrom('a', 'b', 'x'),
      data: fc.jsonValue(),
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 8 }),
      fc.string({ maxLength: 12 }),
      fc.string({ maxLength: 5 }),
      (blocks, content, thought) => {
        const tool_calls = ['a', 'b'].map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } }));
        const message = {
          role: 'assistant' as const,
          content,
          reasoning_content: thought,
          tool_calls,
          provider_state: { owner: 'o', blocks },
        };
        const back = blocksOf(message);
        const joined = (type: 'text' | 'reasoning'): string => back.map((block) => (block.type === type ? block.text : '')).join('');
        assert.equal(joined('text'), content);
        assert.equal(joined('reasoning'), thought);
        const ids = back.flatMap((block) => (block.type === 'tool_call' ? [block.id] : []));
        assert.deepEqual(ids.toSorted(), ['a', 'b']);
      },
    ),
  );
});
