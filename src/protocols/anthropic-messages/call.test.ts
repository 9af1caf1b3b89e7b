import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, user } from './testing.ts';
import type { SentBody } from './testing.ts';

test('anthropic: a request to the API itself', () => {
  const { call, framing, body } = send({ stream: true });
  assert.equal(call.url, 'https://api.test/v1/messages');
  assert.deepEqual(call.headers, { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' });
  assert.deepEqual([body.model, body.stream, framing], ['claude-haiku-4-5', true, 'sse']);
  assert.equal(send().body.stream, undefined);
});

test('anthropic: on Vertex the model is in the path and the version in the body', () => {
  const asked = { model: 'claude-sonnet-4-5@20250929', quirks: { platform: 'vertex' } as const };
  const { call, framing, body } = send({ stream: true }, asked);
  assert.equal(call.url, 'https://api.test/v1/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict');
  assert.deepEqual([body.model, body.anthropic_version, body.stream, framing], [undefined, 'vertex-2023-10-16', true, 'sse']);
  assert.equal(call.headers['anthropic-version'], undefined);
  assert.ok(send({}, asked).call.url.endsWith(':rawPredict'));
});

test('anthropic: on Bedrock streams have a path and a framing of their own, and betas are in the body', () => {
  const asked = { model: 'us.anthropic.claude-opus-4-1-20250805-v1:0', quirks: { platform: 'bedrock', betas: ['x-2026-01-01'] } as const };
  const { call, framing, body } = send({ stream: true }, asked);
  assert.equal(call.url, 'https://api.test/v1/model/us.anthropic.claude-opus-4-1-20250805-v1%3A0/invoke-with-response-stream');
  assert.deepEqual([body.model, body.anthropic_version, body.stream], [undefined, 'bedrock-2023-05-31', undefined]);
  assert.deepEqual([framing, body.anthropic_beta, call.headers['anthropic-beta']], ['aws-eventstream', ['x-2026-01-01'], undefined]);
  const whole = send({}, asked);
  assert.ok(whole.call.url.endsWith('/invoke'));
});

test('anthropic: betas are a header, each once', () => {
  const { call } = send(
    { messages: [user([{ type: 'file', file: { file_id: 'f' } }])] },
    { quirks: { betas: ['files-api-2025-04-14', 'b'] } },
  );
  assert.equal(call.headers['anthropic-beta'], 'files-api-2025-04-14,b');
});

test('anthropic: a request leaves the client’s own as it was', () => {
  const messages = [user('Hi'), { role: 'assistant', content: 'Well ' }];
  const before = structuredClone(messages);
  send({ messages });
  assert.deepEqual(messages, before);
});

/** A small reader of the Messages API's requests, written for this test alone: what each body says, in the contract's words. */
function readBack(body: SentBody): unknown[] {
  const said: unknown[] = (body.system ?? []).map((part) => ({ role: 'system', content: part.text }));
  for (const { role, content } of body.messages) {
    const results = content.filter((part) => part.type === 'tool_result');
    said.push(...results.map((part) => ({ role: 'tool', tool_call_id: part.tool_use_id, content: part.content })));
    const texts = content.filter((part) => part.type === 'text').map((part) => part.text);
    const uses = content.filter((part) => part.type === 'tool_use');
    const calls = uses.map((part) => ({
      id: part.id,
      type: 'function',
      function: { name: part.name, arguments: JSON.stringify(part.input) },
    }));
    const images = content
      .filter((part) => part.type === 'image')
      .map((part) => {
        const { type, url, media_type, data } = part.source as Record<string, string>;
        return { type: 'image_url', image_url: { url: type === 'url' ? url : `data:${media_type};base64,${data}` } };
      });
    if (texts.length + calls.length + images.length === 0) continue;
    const parts = images.length > 0 ? [...texts.map((text) => ({ type: 'text', text })), ...images] : (texts[0] ?? null);
    said.push({ role, content: parts, ...(calls.length > 0 ? { tool_calls: calls } : {}) });
  }
  return said;
}

test('anthropic: a conversation read back from the request says the same', () => {
  const call = { id: 'toolu_1', type: 'function', function: { name: 'look', arguments: '{"at":"Bonn"}' } };
  const messages = [
    { role: 'system', content: 'Be brief.' },
    user([
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
    ]),
    { role: 'assistant', content: 'Let me look.', tool_calls: [call] },
    { role: 'tool', tool_call_id: 'toolu_1', content: 'A bridge.' },
    { role: 'assistant', content: 'A bridge.' },
    user([
      { type: 'text', text: 'And this?' },
      { type: 'image_url', image_url: { url: 'https://a.test/b.png' } },
    ]),
  ];
  assert.deepEqual(readBack(send({ messages }).body), messages);
});

test('anthropic: tools and settings read back from the request say the same', () => {
  const parameters = { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] };
  const asked = {
    tools: [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters } }],
    tool_choice: 'required',
    max_completion_tokens: 100,
    temperature: 0.5,
    stop: ['END'],
    user: 'u1',
    stream: true,
  };
  const { body, ignored } = send(asked);
  const back = {
    tools: body.tools?.map(({ name, description, input_schema }) => ({
      type: 'function',
      function: { name, description, parameters: input_schema },
    })),
    tool_choice: (body.tool_choice as { type: string }).type === 'any' ? 'required' : undefined,
    max_completion_tokens: body.max_tokens,
    temperature: body.temperature,
    stop: body.stop_sequences,
    user: (body.metadata as { user_id: string }).user_id,
    stream: body.stream,
  };
  assert.deepEqual(back, asked);
  assert.deepEqual(ignored, []);
});
