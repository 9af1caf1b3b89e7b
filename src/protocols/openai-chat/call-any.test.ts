/** Round trips: what a request becomes for a provider says the same when it is parsed again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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
  return parseChatRequest(JSON.parse(openaiChatWire.prepare(request, target, head).call.body), { strict: false });
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

function accepted(body: unknown): ChatRequest | undefined {
  try {
    return parseChatRequest(body, { strict: false });
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return undefined;
  }
}
