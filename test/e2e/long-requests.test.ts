/** Large parts of a request that need no change reach the provider to the byte; what has to change does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { providerAt, startRouted } from '../support/faulty-route.ts';
import { startUpstream } from '../support/upstream.ts';

const WORDS = `Caf\\u00e9, "quoted\\/" ü 😀 ${'and so on, '.repeat(200)}`.replaceAll('"', '\\"');
/** As no serializer of ours would write it. */
const MESSAGES = `[ {"role":"user" ,"content":"${WORDS}"} ]`;
const TOOLS = `[{"type":"function","function":{"name":"f","description":"${'What it does. '.repeat(100)}","parameters":{"type":"object","properties":{"n":{"maximum":12345678901234567890,"minimum":1.0}}}}}]`;

test('a long request: messages and tools go to the provider to the byte, under its own name of the model', async (t) => {
  const upstream = await startUpstream();
  t.after(() => upstream.close());
  upstream.answer({ endpoint: 'chat' }, { content: 'Good.' });
  await using server = await startRouted({
    providers: {
      plain: providerAt(upstream.url, ['m']),
      picky: { ...providerAt(upstream.url, ['m']), quirks: { developerRole: false } },
    },
    routes: {},
  });
  const post = async (body: string): Promise<string> => {
    const answer = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    assert.equal(answer.status, 200, await answer.text());
    return upstream.last().body;
  };

  const body = (messages: string, model = 'plain/m'): string =>
    `\n{"messages": ${messages}, "tools":${TOOLS},"model":"${model}","seed":1e0}`;
  const sent = await post(body(MESSAGES));
  assert.ok(sent.includes(`"messages": ${MESSAGES}`), sent);
  assert.ok(sent.includes(`"tools":${TOOLS}`), sent);
  const { messages, tools, ...rest } = JSON.parse(sent) as Record<string, unknown>;
  assert.deepEqual(messages, JSON.parse(MESSAGES));
  assert.deepEqual(tools, JSON.parse(TOOLS));
  assert.deepEqual(rest, { model: 'm', seed: 1 });

  const developer = MESSAGES.replace('"user"', '"developer"');
  const changed = JSON.parse(await post(body(developer, 'picky/m'))) as { messages: unknown; tools: unknown };
  assert.deepEqual(
    changed.messages,
    (JSON.parse(developer) as object[]).map((one) => ({ ...one, role: 'system' })),
  );
  assert.deepEqual(changed.tools, JSON.parse(TOOLS));
});
