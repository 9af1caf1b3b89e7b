/** Whatever a provider says in frames of JSON, what is made of it holds to the order of events. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventsOf, feed, folded, prepare, read } from '../../../test/support/chat-wire.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { createStreamEncoder } from './stream.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

const word = fc.constantFrom<unknown>('', 'a', '[1]', '😀', '\ud83d', '\ude00', null, 5, {}, []);
const maybe = <T>(of: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary: of }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });
const some = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });

const toolCall = some({
  index: fc.constantFrom<unknown>(0, 0, 1, 2, null, 'x'),
  id: fc.constantFrom<unknown>('a', 'b', '', null),
  type: fc.constantFrom('function', 'custom'),
  function: maybe(
    some({ name: fc.constantFrom<unknown>('f', 'g', '', null), arguments: fc.constantFrom<unknown>('', '{', '}', '{}', { x: 1 }, null) }),
  ),
  custom: maybe(some({ name: word, input: word })),
  extra_content: word,
});
const delta = some({
  role: word,
  content: maybe(
    fc.oneof(word, fc.array(some({ type: fc.constantFrom('text', 'thinking', 'refusal'), text: word, thinking: word }), { maxLength: 2 })),
  ),
  reasoning_content: word,
  reasoning: word,
  refusal: word,
  tool_calls: maybe(fc.array(toolCall, { maxLength: 3 })),
  function_call: maybe(some({ name: word, arguments: word })),
  audio: maybe(some({ id: word, data: word, expires_at: word })),
  annotations: maybe(fc.array(some({ type: fc.constant('url_citation'), url: word, start_index: word }), { maxLength: 2 })),
  reasoning_details: maybe(
    fc.array(
      some({ type: fc.constantFrom('reasoning.text', 'reasoning.encrypted'), index: fc.constantFrom(0, 1), text: word, signature: word }),
      { maxLength: 2 },
    ),
  ),
  provider_state: word,
});
const choice = some({
  index: fc.constantFrom<unknown>(0, 0, 0, 1, 7, -1, null),
  delta: maybe(delta),
  message: maybe(delta),
  finish_reason: fc.constantFrom<unknown>(null, null, null, '', 'stop', 'length', 'tool_calls', 'odd', 5),
  logprobs: maybe(some({ content: maybe(fc.array(some({ token: word, logprob: fc.constantFrom<unknown>(-1, null) }), { maxLength: 2 })) })),
  usage: word,
});
const frame = some({
  id: fc.constantFrom<unknown>('x', '', null, 5),
  created: fc.constantFrom<unknown>(1, 0, null, 'x'),
  choices: maybe(fc.array(maybe(choice), { maxLength: 2 })),
  usage: maybe(some({ prompt_tokens: fc.constantFrom<unknown>(1, null, -1), completion_tokens: fc.constantFrom<unknown>(1, 'x') })),
  citations: maybe(fc.array(word, { maxLength: 2 })),
  x_groq: word,
});
const frames = fc.array(fc.oneof({ weight: 9, arbitrary: frame }, { weight: 1, arbitrary: fc.jsonValue() }), { maxLength: 8 });

/** One `start`, first; blocks numbered up, grown while they are open; one `finish` for each choice; nothing behind the end. */
function checkOrder(events: readonly ChatEvent[]): void {
  const open = new Set<string>();
  const blocks = new Map<number, number>();
  const finished = new Set<number>();
  for (const [at, event] of events.entries()) {
    if (at > 0) assert.notEqual(event.type, 'start');
    else assert.ok(event.type === 'start' || event.type === 'error', event.type);
    if (event.type === 'end' || event.type === 'error') assert.equal(at, events.length - 1);
    if ('choice' in event) assert.ok(!finished.has(event.choice), 'a choice goes on after its end');
    const key = 'block' in event ? `${event.choice}.${event.block}` : '';
    if (event.type === 'block_start') {
      assert.equal(event.block, blocks.get(event.choice) ?? 0);
      blocks.set(event.choice, event.block + 1);
      open.add(key);
    } else if (key !== '') assert.ok(open.has(key), `${event.type} of a block that is not open`);
    if (event.type === 'block_end') open.delete(key);
    if (event.type === 'block_delta') assert.ok(event.text.isWellFormed());
    if (event.type === 'finish') finished.add(event.choice);
  }
  assert.ok(['end', 'error'].includes(events.at(-1)?.type ?? ''), 'a stream ends with its end or an error');
  if (events.at(-1)?.type === 'end') assert.equal(open.size, 0);
}

const quirky: readonly OpenAIChatQuirks[] = [{}, { reasoningDetails: true, providerState: true }, { faithful: true }, { omitsDone: true }];

for (const [at, quirks] of quirky.entries()) {
  test(`openai-chat: any frames make events in order, and a stream that can be written (${Object.keys(quirks).join() || 'no quirks'})`, () => {
    fc.assert(
      fc.property(frames, fc.boolean(), fc.constantFrom(1, 1, 2), (chunks, cut, n) => {
        const request = { stream: true, n, logprobs: true };
        const batches = feed(chunks, { quirks, request, cut });
        checkOrder(eventsOf(batches));
        const encoder = createStreamEncoder(accept(request));
        for (const { events } of batches) encoder.push(events);
        encoder.end();
      }),
      { numRuns: 400, seed: at + 1 },
    );
  });
}

const wholeCall = fc.oneof(
  { weight: 1, arbitrary: toolCall },
  {
    weight: 9,
    arbitrary: fc.record(
      {
        id: fc.constantFrom<unknown>('a', 'b', 'c', 'd', 'e', ''),
        function: fc.record({
          name: fc.constantFrom('f', 'f', 'g', ''),
          arguments: fc.constantFrom<unknown>('{}', '', 'x\ud83d', { x: 1 }),
        }),
        extra_content: fc.constantFrom<unknown>(null, null, null, { s: 1 }),
        custom: fc.constantFrom<unknown>(null, null, null, { name: 'c', input: 'i' }),
      },
      { requiredKeys: ['id', 'function'] },
    ),
  },
);
/** Messages that say a text, or call tools, and at most one thing beside. */
const message = fc
  .tuple(
    fc.record({
      content: fc.oneof(word, fc.constant('text')),
      tool_calls: fc.oneof(fc.constant([]), fc.array(wholeCall, { maxLength: 3 })),
    }),
    delta,
    fc.nat(40),
  )
  .map(([said, more, at]) => ({ ...said, ...Object.fromEntries(Object.entries(more).slice(at, at + 1)) }));
/** Answers that are nearly as plain as can be. */
const plain = fc.record({
  id: fc.constantFrom<unknown>('x', null),
  service_tier: fc.constantFrom<unknown>('default', 'on_demand', null),
  choices: fc.array(
    fc.record({
      message,
      finish_reason: fc.constantFrom<unknown>('stop', 'stop', 'length', 'tool_calls', 'error', '', null),
      logprobs: fc.constantFrom<unknown>(null, { content: [{ token: 'a', logprob: -1 }] }),
      usage: fc.constantFrom<unknown>(null, null, null, { prompt_tokens: 7, completion_tokens: 8 }),
    }),
    { minLength: 1, maxLength: 1 },
  ),
  usage: fc.constantFrom<unknown>(null, { prompt_tokens: 3, completion_tokens: 4, num_sources_used: 2 }),
  citations: fc.constantFrom<unknown>(null, null, null, ['https://a.example']),
});

test('openai-chat: a whole answer is the same as a stream of one chunk that says all of it', () => {
  const outcome = (run: () => unknown): unknown => {
    try {
      return run();
    } catch (error) {
      assert.ok(error instanceof GatewayError, String(error));
      return error.message;
    }
  };
  fc.assert(
    fc.property(
      plain,
      fc.constantFrom(...quirky),
      fc.record({ n: fc.constantFrom(1, 1, 2), logprobs: fc.boolean() }),
      (body, quirks, request) => {
        // a stream does not end where its last chunk does not say so
        const choices = body.choices.map((choice) => ({ ...choice, finish_reason: choice.finish_reason || 'stop' }));
        const streamed = outcome(() => folded([{ ...body, choices }], { quirks, request }));
        assert.deepEqual(
          outcome(() => read(body, quirks, request)),
          streamed,
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test('openai-chat: any whole answer is read, or refused with an error of ours', () => {
  fc.assert(
    fc.property(frame, (body) => {
      try {
        assert.ok(prepare(accept()).response(body).response.choices.length === 1);
      } catch (error) {
        assert.ok(error instanceof GatewayError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
