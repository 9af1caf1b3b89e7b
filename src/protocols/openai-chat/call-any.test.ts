/** Round trips: what a request becomes for a provider says the same when it is parsed again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { wholeText } from '../../core/json-pieces.ts';
import { chatRequests, reachingRequests } from '../../../test/support/generated-requests.ts';
import { wideRequests } from '../../../test/support/wide-requests.ts';
import type { Block, ChatRequest } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { parseChatRequest } from './accept.ts';
import { openaiChatWire } from './call.ts';
import { FOLLOWER } from './quirks.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

const head = { id: 'chatcmpl-1', created: 1 };

function again(request: ChatRequest, quirks: OpenAIChatQuirks): ChatRequest {
  const target = { provider: 'p', upstreamModel: 'theirs', model: request.model, baseUrl: 'https://api.example/v1', quirks, facts: {} };
  return parseChatRequest(JSON.parse(wholeText(openaiChatWire.prepare(request, target, head).call.body)), { strict: false });
}

/** What a request says, but for what is the sender's: the model's name, whether usage is wanted, whose state it is. */
function said({ model: _, raw: __, includeUsage: ___, messages, ...rest }: ChatRequest): unknown {
  // without tools it says nothing
  const parallelToolCalls = rest.tools.length === 0 || rest.parallelToolCalls;
  const same = messages.map((message) => ({ ...message, blocks: message.blocks.map(sameBlock) }));
  return { ...rest, parallelToolCalls, extras: rest.extras.toSorted(), messages: same };
}

/** A call without arguments has an empty object of them. */
function sameBlock(block: Block): unknown {
  const rest = { ...block };
  if ('state' in rest) delete rest.state;
  return rest.type === 'tool_call' && rest.kind === 'function' && rest.input === '' ? { ...rest, input: '{}' } : rest;
}

/** All that is said comes back where the provider wants reasoning back and takes marks for its cache. */
const KEEPS: OpenAIChatQuirks = { reasoningBack: { as: 'reasoning_content' }, cacheMarks: 'cache_control' };

for (const [name, body] of wideRequests('m')) {
  test(`round trip: ${name}`, () => {
    const request = parseChatRequest(body, { strict: false });
    assert.deepEqual(said(again(request, KEEPS)), said(request));
  });

  test(`the client's body stays as it was: ${name}`, () => {
    const before = structuredClone(body);
    again(parseChatRequest(body, { strict: false }), { ...FOLLOWER, joinsText: ['system', 'user'], toolCallIdLength: 9, alternates: true });
    assert.deepEqual(body, before);
  });
}

test('round trip: any request that is accepted', () => {
  fc.assert(
    fc.property(fc.oneof(chatRequests('m'), reachingRequests('m')), (generated) => {
      const request = accepted(JSON.parse(JSON.stringify(generated)));
      if (request) assert.deepEqual(said(again(request, KEEPS)), said(request));
    }),
    { numRuns: 500 },
  );
});

test('round trip: what a follower of the API is sent can be parsed, and nobody speaks who did not', () => {
  fc.assert(
    fc.property(fc.oneof(chatRequests('m'), reachingRequests('m')), (generated) => {
      const request = accepted(JSON.parse(JSON.stringify(generated)));
      if (!request) return;
      const spoken = (from: ChatRequest) => from.messages.filter(({ role }) => role === 'user' || role === 'assistant').length;
      const made = again(request, FOLLOWER);
      assert.ok(spoken(made) >= spoken(request));
      assert.equal(
        made.messages.some(({ role }) => role === 'developer'),
        false,
      );
    }),
    { numRuns: 300 },
  );
});

/** Providers that take messages and tools as they are, that want some of them written anew, or all. */
const TASTES: readonly OpenAIChatQuirks[] = [
  {},
  KEEPS,
  FOLLOWER,
  { ...FOLLOWER, joinsText: ['system', 'user'], toolCallIdLength: 9, alternates: true },
  { names: false, nullContent: false, prefill: 'prefix', reasoningBack: { as: 'reasoning_content', fillEmpty: true } },
  { strictTools: false, schemaKeywords: { refused: ['title', 'pattern'] }, parts: ['image_url'], reasoningDetails: true },
];

/** The same with a field that is null in every message and every tool, so that each of them has to be written anew. */
function withNulls({ messages, tools, ...rest }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const nulled = (items: unknown) => (Array.isArray(items) ? items.map((item: object) => ({ ...item, given: null })) : items);
  return { ...rest, messages: nulled(messages), ...(tools === undefined ? {} : { tools: nulled(tools) }) };
}

test('any request: what goes out as the client wrote it and what is written anew are the same, but for fields that are null', () => {
  const wide = fc.constantFrom(...wideRequests('m').map(([, body]) => body));
  fc.assert(
    fc.property(fc.oneof(wide, chatRequests('m'), reachingRequests('m')), fc.constantFrom(...TASTES), (generated, quirks) => {
      const body: Record<string, unknown> = JSON.parse(JSON.stringify(generated));
      const [kept, anew] = [accepted(body), accepted(withNulls(body))];
      if (kept && anew) assert.deepEqual(written(kept, quirks), written(anew, quirks));
    }),
    { numRuns: 600 },
  );
});

/** The body and what is ignored, or the refusal. */
function written(request: ChatRequest, quirks: OpenAIChatQuirks): unknown {
  const target = { provider: 'p', upstreamModel: 'theirs', model: request.model, baseUrl: 'https://api.example/v1', quirks, facts: {} };
  try {
    const { call, ignored } = openaiChatWire.prepare(request, target, head);
    return { body: call.body, ignored };
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error.message;
  }
}

function accepted(body: unknown): ChatRequest | undefined {
  try {
    return parseChatRequest(body, { strict: false });
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return undefined;
  }
}
