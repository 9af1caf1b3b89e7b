import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Call, Reply } from '../core/call.ts';
import type {
  Annotation,
  Block,
  ChatResponse,
  Choice,
  ReasoningBlock,
  TextBlock,
  TokenLogprob,
  ToolCallBlock,
  Usage,
} from '../core/chat.ts';
import { fold } from '../core/event.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { unfold } from '../core/unfold.ts';
import { encodeResponse } from '../protocols/openai-chat/response.ts';
import { createStreamEncoder } from '../protocols/openai-chat/stream.ts';
import { accept, framesOf, loadOracle, readBack, weather } from '../../test/support/openai-chat.ts';
import { cached } from './cache.ts';

const oracle = await loadOracle();

/** Without the replacement character, by which the outside judge tells a character that was split. */
const characters = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((one) => !one.includes('\ufffd'));
const text = fc.oneof(characters, fc.constantFrom('', 'é😀', '"\n\\\u2028'));
const state = fc.option(fc.record({ owner: fc.constant('anthropic'), data: fc.constantFrom(null, 'sig', { signature: 'é' }) }), {
  nil: undefined,
});
const withState = <T extends TextBlock | ReasoningBlock | ToolCallBlock>(block: fc.Arbitrary<T>): fc.Arbitrary<Block> =>
  fc.tuple(block, state).map(([one, kept]): Block => (kept ? { ...one, state: kept } : one));

const block: fc.Arbitrary<Block> = fc.oneof(
  withState(fc.record({ type: fc.constant('text' as const), text })),
  withState(fc.record({ type: fc.constant('reasoning' as const), text })),
  fc.record({ type: fc.constant('opaque' as const), state: fc.constant({ owner: 'anthropic', data: { search: [1] } }) }),
  withState(
    fc.record({
      type: fc.constant('tool_call' as const),
      id: fc.uuid(),
      kind: fc.constant('function' as const),
      name: fc.constant('get_weather'),
      input: fc.constantFrom('', '{}', '{"city":"Rømø"}'),
    }),
  ),
);
/** Numbers that JSON has no word for among them. */
const top = { token: text, logprob: fc.constantFrom(-0.1, -12.5, -0, -Infinity), bytes: fc.constantFrom(null, [195, 169]) };
const logprobs = fc.array(fc.record({ ...top, top: fc.array(fc.record(top), { maxLength: 2 }) }), { maxLength: 3 });
const annotations: fc.Arbitrary<Annotation[]> = fc.array(
  fc.record({ type: fc.constant('url_citation' as const), url: fc.webUrl(), title: text, start: fc.nat(9), end: fc.nat(9) }),
  { minLength: 1, maxLength: 2 },
);
const choice: fc.Arbitrary<Choice> = fc
  .record({
    blocks: fc.array(block, { maxLength: 4 }),
    reason: fc.constantFrom('stop' as const, 'length' as const, 'tool_calls' as const),
    logprobs: fc.option(logprobs, { nil: undefined }),
    annotations: fc.option(annotations, { nil: undefined }),
  })
  .map(({ blocks, reason, logprobs: tokens, annotations: cited }) => ({
    blocks,
    reason,
    // log probabilities are of a text: a choice without one has none
    ...(tokens && blocks.some(({ type }) => type === 'text') ? { logprobs: tokens } : {}),
    ...(cited ? { annotations: cited } : {}),
  }));
const usage: fc.Arbitrary<Usage | undefined> = fc.option(
  fc.record({
    promptTokens: fc.nat(99),
    completionTokens: fc.nat(99),
    cachedTokens: fc.constant(0),
    reasoningTokens: fc.constant(0),
    providerTools: fc.constant({ web_search: 2 }),
  }),
  { nil: undefined },
);
const answer: fc.Arbitrary<ChatResponse> = fc.record(
  {
    id: fc.constantFrom('chatcmpl-1', 'é'),
    model: fc.constant('m'),
    created: fc.nat(),
    fingerprint: fc.constant('fp_1'),
    serviceTier: fc.constant('flex'),
    choices: fc.array(choice, { minLength: 1, maxLength: 3 }),
    usage,
  },
  { requiredKeys: ['id', 'model', 'created', 'choices', 'usage'] },
);

/** The same events, every text in pieces, the log probabilities with the pieces as they come. */
function inPieces(events: readonly ChatEvent[], size: number): ChatEvent[] {
  return events.flatMap((event) => {
    if (event.type !== 'block_delta' || event.text.length <= size) return event;
    const tokens: TokenLogprob[] = [...(event.logprobs ?? [])];
    const pieces: ChatEvent[] = [];
    for (let at = 0; at < event.text.length; at += size) {
      const isLast = at + size >= event.text.length;
      const own = event.logprobs ? { logprobs: isLast ? tokens.splice(0) : tokens.splice(0, 1) } : {};
      pieces.push({ ...event, text: event.text.slice(at, at + size), ...own });
    }
    return pieces;
  });
}

async function* batchesOf(events: readonly ChatEvent[]): AsyncGenerator<Batch> {
  for (const event of events) yield { events: [event] };
}

const callOf = (stream: boolean, n: number): Call => ({
  id: 'req_1',
  request: accept({ n, tools: [weather], ...(stream ? { stream, stream_options: { include_usage: true } } : {}) }),
  principal: { id: 'a', role: 'member' },
  strict: false,
  signal: new AbortController().signal,
  trace: { attempts: [] },
});

/** What a client gets that wants it whole. */
async function wholeOf(reply: Reply, call: Call): Promise<unknown> {
  const response = reply.kind === 'full' ? reply.response : await fold(reply.batches);
  const body: unknown = JSON.parse(JSON.stringify(encodeResponse(response, call.request)));
  const bad = oracle?.checkCompletion(body, { n: call.request.n }) ?? [];
  assert.deepEqual(
    // a call cut off by a token limit, and a provider that reports no usage: both are told as they are
    bad.filter((one) => !/arguments are not JSON|usage is missing/.test(one)),
    [],
  );
  return body;
}

/** What a client makes of the stream it gets, and all of it that comes whole in one chunk. */
async function streamOf(reply: Reply, call: Call): Promise<unknown> {
  const encoder = createStreamEncoder(call.request);
  let written = '';
  if (reply.kind === 'full') written = encoder.push(unfold(reply.response));
  else for await (const { events } of reply.batches) written += encoder.push(events);
  assert.equal(encoder.end(), '');
  const includeUsage = written.includes('"usage":{');
  assert.deepEqual(oracle?.checkStream(written, { n: call.request.n, includeUsage }) ?? [], []);
  const { chunks, done } = framesOf(written);
  assert.ok(done);
  const extras = chunks.flatMap((chunk) =>
    chunk.choices.flatMap(({ index, delta }) =>
      'annotations' in delta || 'provider_state' in delta ? { index, ...delta, content: undefined } : [],
    ),
  );
  const heads = new Set(chunks.map(({ choices: _, usage: __, ...head }) => JSON.stringify(head)));
  return { choices: readBack(chunks), extras, heads, usage: chunks.at(-1)?.usage };
}

test('cache: what a client gets from it is what it gets without, streamed and whole', async (context) => {
  if (!oracle) context.diagnostic('no ../shared/oracle on this machine: judged by comparison only');
  await fc.assert(
    fc.asyncProperty(
      answer,
      fc.constantFrom<'full' | 'stream'>('full', 'stream'),
      fc.integer({ min: 1, max: 5 }),
      async (said, kind, size) => {
        const make = (): Reply =>
          kind === 'full' ? { kind, response: said, ignored: [] } : { kind, batches: batchesOf(inPieces(unfold(said), size)), ignored: [] };
        const n = said.choices.length;
        const settings = { enabled: true, perRequest: true, maxBytes: 2 ** 24, ttlMs: 0, models: [], share: false };
        const failed = (cause: unknown): never => assert.fail(String(cause));
        let made = 0;
        const handler = cached({ settings, now: () => 0, failed })(async () => {
          made++;
          return make();
        });
        const [whole, streamed] = [callOf(false, n), callOf(true, n)];
        const first = kind === 'full' ? await wholeOf(await handler(whole), whole) : await streamOf(await handler(streamed), streamed);
        const wholeHit = await wholeOf(await handler(whole), whole);
        const streamHit = await streamOf(await handler(streamed), streamed);
        assert.equal(made, 1);
        assert.deepEqual(wholeHit, await wholeOf(make(), whole));
        assert.deepEqual(streamHit, await streamOf(make(), streamed));
        assert.deepEqual(kind === 'full' ? wholeHit : streamHit, first);
      },
    ),
    { numRuns: 300 },
  );
});
