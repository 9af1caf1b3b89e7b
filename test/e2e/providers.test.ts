/**
 * The official SDK → Parlance → another program's idea of each provider. The same conversation with all of them: the
 * client must not be able to tell who answered.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI, { APIError } from 'openai';
import type { ChatCompletionMessage } from 'openai/resources/chat/completions';
import { startLiveServer } from '../support/live-server.ts';
import type { LiveServer } from '../support/live-server.ts';
import { loadOracle } from '../support/openai-chat.ts';
import { startUpstream } from '../support/upstream.ts';
import type { Upstream } from '../support/upstream.ts';

const SECRET = 'sk-upstream-0123456789abcdef';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

interface Case {
  readonly name: string;
  readonly id: string;
  readonly model: string;
  /** Its entry of the configuration. */
  readonly settings: (url: string) => Readonly<Record<string, unknown>>;
  /** Where the request must arrive, whole and streamed. */
  readonly paths: readonly [RegExp, RegExp];
  /** The header that proves who we are. */
  readonly proof: readonly [string, RegExp];
  /** AIMock has no reasoning in the form of this provider. */
  readonly noReasoning?: true;
}

const bearer = ['authorization', new RegExp(`^Bearer ${SECRET}$`)] as const;
const chat = [/^\/v1\/chat\/completions$/, /^\/v1\/chat\/completions$/] as const;

const CASES: readonly Case[] = [
  {
    name: 'OpenAI',
    id: 'openai',
    model: 'gpt-4o',
    settings: (url) => ({ key: SECRET, baseUrl: `${url}/v1` }),
    paths: chat,
    proof: bearer,
  },
  {
    name: 'OpenAI, Responses',
    id: 'responses',
    model: 'gpt-5-pro',
    settings: (url) => ({ wire: 'openai-responses', key: SECRET, baseUrl: `${url}/v1` }),
    paths: [/^\/v1\/responses$/, /^\/v1\/responses$/],
    proof: bearer,
  },
  {
    name: 'Azure',
    id: 'azure',
    model: 'gpt-4o',
    settings: (url) => ({
      key: SECRET,
      baseUrl: `${url}/openai`,
      quirks: { path: '/deployments/{model}/chat/completions', query: { 'api-version': '2024-10-21' } },
    }),
    paths: [/^\/openai\/deployments\/gpt-4o\/chat\/completions/, /^\/openai\/deployments\/gpt-4o\/chat\/completions/],
    proof: ['api-key', new RegExp(`^${SECRET}$`)],
  },
  {
    name: 'Anthropic',
    id: 'anthropic',
    model: 'claude-sonnet-4-5',
    settings: (url) => ({ key: SECRET, baseUrl: `${url}/v1` }),
    paths: [/^\/v1\/messages$/, /^\/v1\/messages$/],
    proof: ['x-api-key', new RegExp(`^${SECRET}$`)],
  },
  {
    name: 'Gemini',
    id: 'google',
    model: 'gemini-2.5-flash',
    settings: (url) => ({ key: SECRET, baseUrl: `${url}/v1beta` }),
    paths: [/^\/v1beta\/models\/gemini-2\.5-flash:generateContent/, /^\/v1beta\/models\/gemini-2\.5-flash:streamGenerateContent\?alt=sse/],
    proof: ['x-goog-api-key', new RegExp(`^${SECRET}$`)],
  },
  {
    name: 'Vertex',
    id: 'vertex',
    model: 'gemini-2.5-flash',
    settings: (url) => ({
      key: SECRET,
      variables: { project: 'p', location: 'us-central1' },
      baseUrl: `${url}/v1/projects/p/locations/us-central1`,
    }),
    paths: [
      /\/publishers\/google\/models\/gemini-2\.5-flash:generateContent/,
      /\/models\/gemini-2\.5-flash:streamGenerateContent\?alt=sse/,
    ],
    proof: bearer,
  },
  {
    name: 'Bedrock',
    id: 'bedrock',
    model: 'anthropic.claude-3-5-sonnet-20240620-v1:0',
    settings: (url) => ({ key: SECRET, baseUrl: url }),
    paths: [/^\/model\/[^/]+\/converse$/, /^\/model\/[^/]+\/converse-stream$/],
    proof: bearer,
  },
  {
    name: 'Ollama',
    id: 'ollama',
    model: 'qwen3:0.6b',
    settings: (url) => ({ baseUrl: `${url}/v1` }),
    paths: chat,
    proof: ['host', /^/],
  },
  {
    name: 'Cohere',
    id: 'cohere',
    model: 'command-a-03-2025',
    settings: (url) => ({ key: SECRET, baseUrl: url }),
    // what Cohere sends as a part of its own type, AIMock sends as text
    noReasoning: true,
    paths: [/^\/v2\/chat$/, /^\/v2\/chat$/],
    proof: bearer,
  },
];

const oracle = await loadOracle();
let upstream: Upstream;
let server: LiveServer;
let client: OpenAI;

before(async () => {
  upstream = await startUpstream();
  const providers = Object.fromEntries(CASES.map(({ id, model, settings }) => [id, { models: [model], ...settings(upstream.url) }]));
  server = await startLiveServer({
    PARLANCE_PROVIDERS: JSON.stringify(providers),
    PARLANCE_MODELS_BUILT_IN: 'false',
    // what one answer becomes is the question here, not what is done after it
    PARLANCE_ROUTING_ATTEMPTS: '1',
    PARLANCE_ROUTING_BREAKER_FAILURES: '1000',
  });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

after(async () => {
  await server.close();
  await upstream.close();
});

/** The text of a stream, judged, and the message that the SDK makes of it. */
async function streamed(
  body: Readonly<Record<string, unknown>>,
): Promise<{ message: ChatCompletionMessage; text: string; reasoning: string }> {
  const answer = await server.post({ ...body, stream: true, stream_options: { include_usage: true } });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  assert.deepEqual(oracle?.checkStream(text, { includeUsage: true }) ?? [], []);
  const stream = client.chat.completions.stream({ ...body, stream: true, stream_options: { include_usage: true } } as never);
  let reasoning = '';
  stream.on('chunk', (chunk) => {
    reasoning += (chunk.choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
  });
  const completion = await stream.finalChatCompletion();
  const message = completion.choices[0]?.message;
  assert.ok(message);
  return { message, text: message.content ?? '', reasoning };
}

async function whole(body: Readonly<Record<string, unknown>>) {
  const completion = await client.chat.completions.create(body as unknown as { model: string; messages: []; stream?: false });
  assert.deepEqual(oracle?.checkCompletion(completion) ?? [], []);
  const [choice] = completion.choices;
  assert.ok(choice);
  return { completion, choice, message: choice.message };
}

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  },
};

const SCHEMA = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
};

for (const one of CASES) {
  describe(one.name, () => {
    const model = `${one.id}/${one.model}`;
    const say = (content: unknown, more: Readonly<Record<string, unknown>> = {}) => ({
      model,
      messages: [{ role: 'user', content }],
      ...more,
    });
    const mine = (text: string) => ({ userMessage: text, endpoint: 'chat' as const });

    test('text, whole and streamed, with usage', async () => {
      const words = `Grüße 🌍 von ${one.id}.`;
      upstream.answer(mine(`hello ${one.id}`), { content: words, usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 } });
      const { completion, choice } = await whole(say(`hello ${one.id}`));
      assert.equal(choice.message.content, words);
      assert.equal(choice.finish_reason, 'stop');
      assert.equal(completion.model, model);
      assert.ok(completion.usage && completion.usage.total_tokens === completion.usage.prompt_tokens + completion.usage.completion_tokens);
      const arrived = upstream.last();
      assert.match(arrived.path, one.paths[0]);
      assert.match(String(arrived.headers[one.proof[0]]), one.proof[1]);
      const { text } = await streamed(say(`hello ${one.id}`));
      assert.equal(text, words);
      assert.match(upstream.last().path, one.paths[1]);
    });

    test('a tool, its result, and the answer', async () => {
      const ask = `weather ${one.id}`;
      const replies = (request: { messages: readonly { role: string }[] }) =>
        request.messages.some(({ role }) => role === 'tool')
          ? { content: 'It is sunny.' }
          : { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Köln"}' }] };
      upstream.answer({ predicate: (request) => JSON.stringify(request.messages).includes(ask), endpoint: 'chat' }, replies);
      for (const get of [whole, streamed]) {
        const { message } = await get(say(ask, { tools: [WEATHER] }));
        const [call] = message.tool_calls ?? [];
        assert.ok(call?.type === 'function' && call.id !== '', JSON.stringify(message));
        assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ['get_weather', { city: 'Köln' }]);
        const messages = [{ role: 'user', content: ask }, message, { role: 'tool', tool_call_id: call.id, content: 'sunny, 21 °C' }];
        const next = await get({ model, messages, tools: [WEATHER] });
        assert.equal(next.message.content, 'It is sunny.');
        const results = (await upstream.understood()).messages.filter(({ role }) => role === 'tool');
        assert.match(JSON.stringify(results), /sunny, 21 °C/);
      }
    });

    test('structured output arrives as content', async () => {
      const ask = `person ${one.id}`;
      const json = '{"name":"Ada","age":36}';
      const reply = ({ tools = [] }: { tools?: readonly { function: { name: string } }[] }) => {
        const [tool] = tools;
        return tool ? { toolCalls: [{ name: tool.function.name, arguments: json }] } : { content: json };
      };
      upstream.answer({ predicate: (request) => JSON.stringify(request.messages).includes(ask), endpoint: 'chat' }, reply);
      const format = { type: 'json_schema', json_schema: { name: 'person', schema: SCHEMA, strict: true } };
      for (const get of [whole, streamed]) {
        const { message } = await get(say(ask, { response_format: format }));
        assert.deepEqual(JSON.parse(message.content ?? ''), { name: 'Ada', age: 36 });
        assert.ok(!message.tool_calls?.length);
        assert.match(upstream.last().body, /"age"/, 'the schema was sent');
      }
    });

    test('reasoning arrives beside the answer', { skip: one.noReasoning ? 'AIMock has none for it' : false }, async () => {
      const ask = `think ${one.id}`;
      upstream.answer(mine(ask), { content: 'Four.', reasoning: 'Two and two.' });
      const { message } = await whole(say(ask, { reasoning_effort: 'low' }));
      assert.equal((message as { reasoning_content?: string }).reasoning_content, 'Two and two.');
      assert.equal(message.content, 'Four.');
      const { text, reasoning } = await streamed(say(ask, { reasoning_effort: 'low' }));
      assert.deepEqual([reasoning, text], ['Two and two.', 'Four.']);
    });

    test('an image goes to the provider', async () => {
      const ask = `look ${one.id}`;
      upstream.answer(mine(ask), { content: 'A pixel.' });
      const parts = [
        { type: 'text', text: ask },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
      ];
      const { message } = await whole(say(parts));
      assert.equal(message.content, 'A pixel.');
      assert.ok(upstream.last().body.includes(PIXEL));
    });

    test('a stream that breaks off is an error, not an end', async () => {
      const ask = `cut ${one.id}`;
      upstream.answer(
        mine(ask),
        { content: 'one two three four five six seven eight nine ten' },
        { truncateAfterChunks: 3, chunkSize: 5, latency: 1 },
      );
      const answer = await server.post(say(ask, { stream: true }));
      const text = await answer.text();
      assert.ok(!text.includes('[DONE]'), text);
      const last = JSON.parse(
        text
          .trim()
          .split('\n\n')
          .at(-1)
          ?.replace(/^data: /, '') ?? '{}',
      ) as { error?: { type: string } };
      assert.equal(last.error?.type, 'upstream_error', text);
    });

    test('refusals keep their status and words, and name no key', async () => {
      for (const [status, expected] of [
        [400, 400],
        [401, 401],
        [500, 502],
        // the last: after it the target rests
        [429, 429],
      ] as const) {
        const ask = `fail ${status} ${one.id}`;
        const error = { message: `no luck with ${SECRET}`, type: 'some_error', code: 'some_code' };
        upstream.answer(mine(ask), { error, status, ...(status === 429 ? { retryAfter: 7 } : {}) });
        for (const stream of [false, true]) {
          const failure: unknown = await client.chat.completions.create(say(ask, { stream }) as never).then(
            () => assert.fail('answered'),
            (cause: unknown) => cause,
          );
          assert.ok(failure instanceof APIError, String(failure));
          assert.equal(failure.status, expected);
          assert.match(failure.message, /no luck with \[key\]/);
          assert.ok(!failure.message.includes(SECRET));
          if (status !== 429) continue;
          // the second one comes while the target rests: what is left of it is said
          const wait = Number(failure.headers?.get('retry-after'));
          assert.ok(stream ? wait >= 1 && wait <= 7 : wait === 7, String(wait));
        }
      }
    });
  });
}
