/** Completions that are kept on request, as the official `openai` package reads them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startLiveServer } from '../support/live-server.ts';
import OpenAI from 'openai';
import { startCounted } from '../support/counted-server.ts';
import { askFor, textOf } from '../support/upstream-answers.ts';

const counted = await startCounted();
after(() => counted[Symbol.asyncDispose]());

const { id: projectId } = await counted.administration.createProject({ actor: 'system' }, { name: 'other' });
const mine = await counted.key();
const theirs = await counted.key({ projectId });
const clientOf = ({ secret }: { readonly secret: string }) =>
  new OpenAI({ baseURL: `${counted.server.url}/v1`, apiKey: secret, maxRetries: 0 });
const client = clientOf(mine);
const other = clientOf(theirs);

const question = (token: string) => [
  { role: 'system' as const, content: 'Be brief.' },
  { role: 'user' as const, content: [{ type: 'text' as const, text: askFor(token) }] },
];
const make = (token: string, metadata?: Record<string, string>) =>
  client.chat.completions.create({
    model: 'p/priced',
    messages: question(token),
    store: true,
    max_completion_tokens: 12,
    ...(metadata ? { metadata } : {}),
  });

const status = async (work: PromiseLike<unknown>): Promise<number | undefined> => {
  try {
    await work;
  } catch (error) {
    return error instanceof OpenAI.APIError ? (error.status as number | undefined) : assert.fail(String(error));
  }
  return assert.fail('it did not fail');
};

test('stored: a completion is there as it was when its answer is', async () => {
  const made = await make('s1', { team: 'blue' });
  const kept = await client.chat.completions.retrieve(made.id);
  assert.deepEqual(kept.choices, made.choices);
  assert.deepEqual((kept as { metadata?: unknown }).metadata, { team: 'blue' });
  assert.equal(kept.object, 'chat.completion');
  const list = await client.chat.completions.messages.list(made.id);
  assert.deepEqual(
    list.data.map(({ content, content_parts: parts }) => [content, parts?.length]),
    [
      ['Be brief.', undefined],
      [askFor('s1'), 1],
    ],
  );
});

test('stored: a stream is kept whole, and nothing is said to be ignored', async () => {
  const stream = await client.chat.completions
    .create({ model: 'p/priced', messages: question('s2'), store: true, stream: true })
    .withResponse();
  assert.equal(stream.response.headers.get('x-parlance-ignored-params'), null);
  let id = '';
  for await (const chunk of stream.data) ({ id } = chunk);
  const kept = await client.chat.completions.retrieve(id);
  assert.equal(kept.choices[0]?.message.content, textOf('up', 's2'));
});

test('stored: what is not asked for is not kept', async () => {
  const made = await client.chat.completions.create({ model: 'p/priced', messages: question('s3') });
  assert.equal(await status(client.chat.completions.retrieve(made.id)), 404);
});

test('stored: lists by model and metadata, page by page, in either order', async () => {
  for (const token of ['l1', 'l2', 'l3']) await make(token, { batch: 'lists', token });
  const tokens = async (query: OpenAI.ChatCompletionListParams): Promise<string[]> => {
    const found: string[] = [];
    for await (const { id } of client.chat.completions.list({ limit: 2, ...query })) found.push(id.replace('chatcmpl-up-', ''));
    return found;
  };
  assert.deepEqual(await tokens({ metadata: { batch: 'lists' } }), ['l1', 'l2', 'l3']);
  assert.deepEqual(await tokens({ metadata: { batch: 'lists' }, order: 'desc' }), ['l3', 'l2', 'l1']);
  assert.deepEqual(await tokens({ metadata: { batch: 'lists', token: 'l2' } }), ['l2']);
  assert.deepEqual(await tokens({ metadata: { batch: 'lists' }, model: 'p/other' }), []);
  assert.deepEqual(await tokens({ metadata: { batch: 'lists' }, model: 'p/priced' }), ['l1', 'l2', 'l3']);
  assert.equal(await status(client.chat.completions.list({ limit: 1000 })), 400);
});

test('stored: notes are replaced, and what is deleted is gone', async () => {
  const { id } = await make('s4', { old: 'note' });
  const noted = await client.chat.completions.update(id, { metadata: { new: 'note' } });
  assert.deepEqual((noted as { metadata?: unknown }).metadata, { new: 'note' });
  assert.deepEqual(await client.chat.completions.delete(id), { object: 'chat.completion.deleted', id, deleted: true });
  assert.equal(await status(client.chat.completions.retrieve(id)), 404);
  assert.equal(await status(client.chat.completions.delete(id)), 404);
});

test('stored: another project sees nothing of it, and changes nothing', async () => {
  const { id } = await make('s5', { team: 'blue' });
  assert.equal(await status(other.chat.completions.retrieve(id)), 404);
  assert.equal(await status(other.chat.completions.update(id, { metadata: {} })), 404);
  assert.equal(await status(other.chat.completions.delete(id)), 404);
  assert.equal(await status(other.chat.completions.messages.list(id)), 404);
  assert.deepEqual((await other.chat.completions.list()).data, []);
  const kept = await client.chat.completions.retrieve(id);
  assert.deepEqual((kept as { metadata?: unknown }).metadata, { team: 'blue' });
});

test('stored completions: a server without keys lists nobody’s', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-data-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await using server = await startLiveServer({ PARLANCE_MODELS_BUILT_IN: 'false', PARLANCE_DATA_DIR: dir });
  const answer = await fetch(`${server.url}/v1/chat/completions`);
  const { error } = (await answer.json()) as { error: { code: string } };
  assert.deepEqual([answer.status, error.code], [405, 'method_not_allowed']);
});
