/** A real upstream: another Parlance with its own model, as one that passes answers on and as one of the vLLM kind. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { cityTool, schemaFormat } from '../support/chat-client.ts';
import { MODEL, idle, startLiveServer } from '../support/live-server.ts';
import { asRead, framesOf, loadOracle, readBack } from '../support/openai-chat.ts';

const KEY = 'sk-between-the-two-servers';
const inner = await startLiveServer({ PARLANCE_API_KEYS: KEY });
const kind = (type: string) => ({ type, baseUrl: `${inner.url}/v1`, key: KEY });
const providers = { same: kind('parlance'), other: kind('vllm'), closed: { ...kind('vllm'), key: 'sk-not-the-key' } };
const outer = await startLiveServer({ PARLANCE_PROVIDERS: JSON.stringify(providers), PARLANCE_MODELS_BUILT_IN: 'false' });
after(async () => {
  await outer.close();
  await inner.close();
});

const oracle = await loadOracle();
type Body = Readonly<Record<string, unknown>>;

const CITY = { type: 'object', properties: { city: { type: 'string', maxLength: 16 } }, required: ['city'], additionalProperties: false };
const SAY = { messages: [{ role: 'user', content: 'Say hello.' }], max_completion_tokens: 24, seed: 11 };
const REQUESTS: Readonly<Record<string, Body>> = {
  'a text': SAY,
  'three choices': { ...SAY, n: 3, temperature: 1.2 },
  'log probabilities': { ...SAY, logprobs: true, top_logprobs: 3 },
  'a stop string': { ...SAY, stop: ['o'], temperature: 0 },
  'a biased token': { ...SAY, logit_bias: { '0': -100, '2': -100 } },
  'a tool': { ...SAY, max_completion_tokens: 200, temperature: 0, tools: [cityTool], tool_choice: 'required' },
  'a schema': { ...SAY, max_completion_tokens: 200, temperature: 0, ...schemaFormat(CITY) },
  'a developer message': { ...SAY, messages: [{ role: 'developer', content: 'Be brief.' }, ...SAY.messages] },
};

/** What is said, without names and times: ids of calls are the inner server's own, new with each. */
function said(choices: unknown): unknown {
  return JSON.parse(JSON.stringify(choices, (key, value: unknown) => (key === 'id' ? undefined : value)));
}

async function direct(body: Body): Promise<Response> {
  return inner.post({ ...body, model: MODEL }, { headers: { authorization: `Bearer ${KEY}` } });
}

for (const name of ['same', 'other']) {
  const model = `${name}/${MODEL}`;
  describe(`behind another: ${name}`, () => {
    for (const [what, request] of Object.entries(REQUESTS)) {
      test(`${what} is what the inner server says, whole and streamed`, async () => {
        const n = Number(request['n'] ?? 1);
        const wanted = (await (await direct(request)).json()) as { choices: unknown; usage: { completion_tokens: number } };
        const answer = await outer.post({ ...request, model });
        const body = (await answer.json()) as { model: string; usage: { completion_tokens: number } };
        assert.equal(answer.status, 200, JSON.stringify(body));
        assert.deepEqual(oracle?.checkCompletion(body, { n }) ?? [], []);
        assert.deepEqual(said(asRead(body)), said(asRead(wanted)));
        assert.equal(body.model, model);
        assert.equal(body.usage.completion_tokens, wanted.usage.completion_tokens);
        assert.equal(answer.headers.get('x-parlance-ignored-params'), null);

        for (const includeUsage of [true, false]) {
          const options = includeUsage ? { stream_options: { include_usage: true } } : {};
          const text = await (await outer.post({ ...request, ...options, model, stream: true })).text();
          assert.deepEqual(oracle?.checkStream(text, { n, includeUsage }) ?? [], [], text);
          const { chunks, done } = framesOf(text);
          assert.ok(done);
          assert.ok(chunks.every((chunk) => chunk.model === model));
          assert.deepEqual(said(readBack(chunks)), said(asRead(wanted)));
        }
      });
    }

    test('an error has the status and words of the inner server', async () => {
      const long = { ...SAY, messages: [{ role: 'user', content: 'word '.repeat(5000) }] };
      for (const [body, status, code] of [
        [long, 400, 'context_length_exceeded'],
        [
          { ...SAY, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }] },
          400,
          'unsupported_value',
        ],
      ] as const) {
        for (const stream of [false, true]) {
          const answer = await outer.post({ ...body, model, stream });
          const { error } = (await answer.json()) as { error: { code: string; message: string } };
          assert.deepEqual([answer.status, error.code], [status, code], error.message);
        }
      }
    });

    test('a client that leaves ends the work of the inner server', async () => {
      const leaving = new AbortController();
      const neverEnding = { ...SAY, logit_bias: { '0': -100, '2': -100 }, max_completion_tokens: 900 };
      const answer = await outer.post({ ...neverEnding, model, stream: true }, { signal: leaving.signal });
      const reader = answer.body?.getReader();
      await reader?.read();
      leaving.abort();
      await inner.until(idle);
    });
  });
}

test('behind another: what it lists is offered, with what it can do', async () => {
  const answer = await fetch(`${outer.url}/v1/models`);
  const { data } = (await answer.json()) as { data: { id: string; context_window?: number; provider?: string }[] };
  const listed = data.find(({ id }) => id === `same/${MODEL}`);
  assert.equal(listed?.provider, 'same');
  assert.ok((listed.context_window ?? 0) > 0);
});

test('behind another: a wrong key is the inner server’s 401, without the key', async () => {
  const answer = await outer.post({ ...SAY, model: `closed/${MODEL}` });
  const text = await answer.text();
  assert.equal(answer.status, 401, text);
  assert.ok(!text.includes('sk-not-the-key'));
});

test('behind another: a model that it does not list is a 404 with the nearest names', async () => {
  const answer = await outer.post({ ...SAY, model: `same/${MODEL}x` });
  const { error } = (await answer.json()) as { error: { message: string; code: string } };
  assert.deepEqual([answer.status, error.code], [404, 'model_not_found']);
  assert.match(error.message, new RegExp(`same/${MODEL}'`));
});
