import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from '../core/call.ts';
import { answering, CHAT, startTestServer } from './testing.ts';

test('x-parlance-cache: what a client wants of the cache reaches the call; other words are refused', async () => {
  const seen: Call['cache'][] = [];
  const answer = answering('Hi');
  await using server = await startTestServer({
    handler: async (call) => {
      seen.push(call.cache);
      return answer(call);
    },
  });
  assert.equal((await server.post(CHAT)).status, 200);
  for (const word of ['use', 'skip', 'refresh', ' Use ']) assert.equal((await server.post(CHAT, { 'x-parlance-cache': word })).status, 200);
  assert.deepEqual(seen, [undefined, 'use', 'skip', 'refresh', 'use']);
  for (const word of ['yes', '', 'use, skip']) {
    const response = await server.post(CHAT, { 'x-parlance-cache': word });
    const { error } = (await response.json()) as { error: { code: string; param: string; message: string } };
    assert.deepEqual([response.status, error.code, error.param], [400, 'invalid_value', 'x-parlance-cache']);
    assert.match(error.message, /'use', 'skip' and 'refresh'/);
  }
});

test('x-parlance-cache: pages in browsers may send it and read it', async () => {
  await using server = await startTestServer({ keys: ['k'] });
  const headers = {
    origin: 'https://app.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'x-parlance-cache',
  };
  const preflight = await fetch(`${server.base}/v1/chat/completions`, { method: 'OPTIONS', headers });
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /x-parlance-cache/);
  assert.match(preflight.headers.get('access-control-expose-headers') ?? '', /x-parlance-cache/);
});
