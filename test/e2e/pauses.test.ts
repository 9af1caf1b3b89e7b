/** The official SDK → Parlance → a provider that pauses in the middle of its own searches: one answer arrives. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import OpenAI, { APIError } from 'openai';
import type { ChatCompletion } from 'openai/resources/chat/completions';
import { startLiveServer } from '../support/live-server.ts';
import type { LiveServer } from '../support/live-server.ts';
import { loadOracle } from '../support/openai-chat.ts';

type Json = Readonly<Record<string, unknown>>;

interface Sent {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  readonly max_tokens: number;
  readonly stream?: boolean;
  readonly [field: string]: unknown;
}

interface Turn {
  readonly content: readonly Json[];
  readonly stop: string;
  readonly container?: string;
}

const search = (n: number): Json => ({ type: 'server_tool_use', id: `srvtoolu_${n}`, name: 'web_search', input: { query: `news ${n}` } });
const found = (n: number): Json => ({
  type: 'web_search_tool_result',
  tool_use_id: `srvtoolu_${n}`,
  content: [{ type: 'web_search_result', url: `https://news.test/${n}`, title: `News ${n}`, encrypted_content: `secret-${n}` }],
});
const cited = (text: string, n: number): Json => ({
  type: 'text',
  text,
  citations: [
    {
      type: 'web_search_result_location',
      url: `https://news.test/${n}`,
      title: `News ${n}`,
      encrypted_index: `i${n}`,
      cited_text: 'It is so.',
    },
  ],
});

const TURNS: readonly Turn[] = [
  {
    content: [
      { type: 'thinking', thinking: 'I must look.', signature: 'c2lnbmVk' },
      { type: 'text', text: 'Grüße 🌍, I look. ' },
      search(1),
    ],
    stop: 'pause_turn',
    container: 'container_1',
  },
  { content: [found(1), cited('First. ', 1), search(2), found(2), { type: 'text', text: 'So far. ' }], stop: 'pause_turn' },
  { content: [cited('Second.', 2)], stop: 'end_turn' },
];
const TEXT = 'Grüße 🌍, I look. First. So far. Second.';
const USAGE = { input_tokens: 100, cache_read_input_tokens: 20, output_tokens: 7, server_tool_use: { web_search_requests: 1 } };

const oracle = await loadOracle();
/** What the provider says to the nth request that goes on; a status is a refusal. */
let turns: readonly (Turn | number)[] = TURNS;
let sent: Sent[] = [];
/** A request that is never answered arrived; whoever sent it went away. */
let arrived = Promise.withResolvers<void>();
let left = Promise.withResolvers<void>();

/** Continuations are told by how much of the turn they bring: requests may come side by side. */
function turnFor({ messages }: Sent): Turn | number | undefined {
  const said = messages.at(-1)?.role === 'assistant' ? JSON.stringify(messages.at(-1)?.content) : '';
  if (said === '') return turns[0];
  return turns[said.includes('So far') ? 2 : 1];
}

function messageOf({ content, stop, container }: Turn): Json {
  const held = container === undefined ? {} : { container: { id: container, expires_at: '2030-01-01T00:00:00Z' } };
  return { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content, stop_reason: stop, usage: USAGE, ...held };
}

/** The same as events, each text and input in two pieces. */
function framesOf(turn: Turn): string {
  const { content, container, ...message } = messageOf(turn);
  const halves = (text: string): readonly string[] => [text.slice(0, 3), text.slice(3)];
  const events: Json[] = [
    { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage: { ...USAGE, output_tokens: 1 } } },
  ];
  for (const [index, block] of (content as readonly Json[]).entries()) {
    const grow = (delta: Json): unknown => events.push({ type: 'content_block_delta', index, delta });
    const { citations = [], signature, input, ...rest } = block;
    const emptied = { ...rest, ...('text' in rest ? { text: '' } : {}), ...('thinking' in rest ? { thinking: '', signature: '' } : {}) };
    events.push({ type: 'content_block_start', index, content_block: input === undefined ? emptied : { ...emptied, input: {} } });
    for (const citation of citations as readonly Json[]) grow({ type: 'citations_delta', citation });
    if (typeof rest.text === 'string') for (const text of halves(rest.text)) grow({ type: 'text_delta', text });
    if (typeof rest.thinking === 'string') for (const thinking of halves(rest.thinking)) grow({ type: 'thinking_delta', thinking });
    if (signature !== undefined) grow({ type: 'signature_delta', signature });
    if (input !== undefined) for (const piece of halves(JSON.stringify(input))) grow({ type: 'input_json_delta', partial_json: piece });
    events.push({ type: 'content_block_stop', index });
  }
  const delta = { stop_reason: turn.stop, stop_sequence: null, ...(container === undefined ? {} : { container }) };
  events.push({ type: 'message_delta', delta, usage: USAGE }, { type: 'message_stop' });
  return events.map((event) => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  const body = JSON.parse(Buffer.concat(pieces).toString()) as Sent;
  sent.push(body);
  const turn = turnFor(body);
  if (turn === undefined) {
    outgoing.once('close', left.resolve);
    arrived.resolve();
    return;
  }
  if (typeof turn === 'number') {
    const error = { type: 'error', error: { type: 'invalid_request_error', message: 'Too long to go on.' } };
    outgoing.writeHead(turn, { 'content-type': 'application/json' }).end(JSON.stringify(error));
    return;
  }
  if (body.stream !== true) {
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(messageOf(turn)));
    return;
  }
  // nothing says that the stream is over but its last event
  outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).write(framesOf(turn));
}

const upstream = createServer((incoming, outgoing) => void answer(incoming, outgoing));
let server: LiveServer;
let client: OpenAI;

before(async () => {
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const baseUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`;
  const anthropic = { key: 'sk-upstream', baseUrl, models: ['claude-haiku-4-5'] };
  server = await startLiveServer({ PARLANCE_PROVIDERS: JSON.stringify({ anthropic }), PARLANCE_MODELS_BUILT_IN: 'false' });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

beforeEach(() => {
  turns = TURNS;
  sent = [];
  arrived = Promise.withResolvers();
  left = Promise.withResolvers();
});

after(async () => {
  upstream.closeAllConnections();
  upstream.close();
  await server.close();
});

const question = { role: 'user', content: 'What is new?' } as const;
const asked = {
  model: 'anthropic/claude-haiku-4-5',
  messages: [question],
  web_search_options: {},
  max_tokens: 5000,
  reasoning_effort: 'low' as const,
};

async function whole(more: Json = {}): Promise<ChatCompletion> {
  const completion = await client.chat.completions.create({ ...asked, ...more, stream: false });
  assert.deepEqual(oracle?.checkCompletion(completion, { n: completion.choices.length }) ?? [], []);
  return completion;
}

async function streamed(more: Json = {}): Promise<ChatCompletion> {
  const body = { ...asked, ...more, stream: true, stream_options: { include_usage: true } } as const;
  const text = await (await server.post(body)).text();
  assert.deepEqual(oracle?.checkStream(text, { includeUsage: true, ...(typeof more.n === 'number' ? { n: more.n } : {}) }) ?? [], []);
  sent = [];
  return client.chat.completions.stream(body).finalChatCompletion();
}

const ANNOTATIONS = [1, 2].map((n) => {
  const quoted = n === 1 ? 'First. ' : 'Second.';
  const start = TEXT.indexOf(quoted);
  const citation = { start_index: start, end_index: start + quoted.length, url: `https://news.test/${n}`, title: `News ${n}` };
  return { type: 'url_citation', url_citation: citation };
});

for (const [name, get] of Object.entries({ whole, streamed })) {
  test(`pauses: the client gets one answer, ${name}, with all of its text, citations and usage`, async () => {
    const completion = await get();
    const [choice, ...others] = completion.choices;
    assert.deepEqual([choice?.message.content, choice?.finish_reason, others.length], [TEXT, 'stop', 0]);
    if (name === 'whole') assert.deepEqual(choice?.message.annotations, ANNOTATIONS);
    const { usage } = completion;
    assert.deepEqual([usage?.prompt_tokens, usage?.completion_tokens, usage?.prompt_tokens_details?.cached_tokens], [360, 21, 60]);
    assert.deepEqual((usage as { provider_tool_calls?: Json } | undefined)?.provider_tool_calls, { web_search: 3 });
  });

  test(`pauses: the provider gets each part back word for word, ${name}, in the same request`, async () => {
    await get();
    assert.deepEqual(
      sent.map(({ messages }) => messages.slice(1)),
      [
        [],
        [{ role: 'assistant', content: TURNS[0]?.content }],
        [{ role: 'assistant', content: TURNS.slice(0, 2).flatMap(({ content }) => content) }],
      ],
    );
    assert.deepEqual(
      sent.map(({ max_tokens, container }) => [max_tokens, container]),
      [
        [5000, undefined],
        [4993, 'container_1'],
        [4986, 'container_1'],
      ],
    );
    const same = sent.map(({ messages, max_tokens: _, container: __, thinking: ___, ...rest }) => ({ ...rest, first: messages[0] }));
    assert.deepEqual(same.slice(1), [same[0], same[0]]);
    assert.ok(sent.every(({ thinking }) => thinking !== undefined));
  });

  test(`pauses: of two choices each is whole, ${name}`, async () => {
    const { choices, usage } = await get({ n: 2 });
    assert.deepEqual(
      choices.map(({ message }) => message.content),
      [TEXT, TEXT],
    );
    assert.deepEqual([sent.length, usage?.completion_tokens], [6, 42]);
  });
}

test('pauses: citations stand in the stream at their places in the whole text', async () => {
  const stream = await client.chat.completions.create({ ...asked, stream: true });
  const annotations: unknown[] = [];
  for await (const { choices } of stream) {
    annotations.push(...((choices[0]?.delta as { annotations?: unknown[] } | undefined)?.annotations ?? []));
  }
  assert.deepEqual(annotations, ANNOTATIONS);
});

test('pauses: the next turn brings the whole answer back to the provider', async () => {
  const { choices } = await whole();
  sent = [];
  turns = [{ content: [{ type: 'text', text: 'Bye.' }], stop: 'end_turn' }];
  await whole({ messages: [question, choices[0]?.message, { role: 'user', content: 'Thanks.' }] });
  assert.deepEqual(
    sent[0]?.messages[1]?.content,
    TURNS.flatMap(({ content }) => content),
  );
});

test('pauses: a refusal to go on is the answer’s failure, with its status where nothing was shown', async () => {
  turns = [{ content: [search(1)], stop: 'pause_turn' }, 400];
  for (const stream of [false, true]) {
    const failure: unknown = await client.chat.completions.create({ ...asked, stream }).then(
      () => assert.fail('answered'),
      (cause: unknown) => cause,
    );
    assert.ok(failure instanceof APIError && failure.status === 400, String(failure));
    assert.match(failure.message, /Too long to go on/);
  }
  turns = [TURNS[0] ?? 404, 400];
  const text = await (await server.post({ ...asked, stream: true })).text();
  assert.match(text, /I look/);
  assert.match(text.trim().split('\n\n').at(-1) ?? '', /^data: \{"error":.*Too long to go on/);
});

test('pauses: a client that leaves ends the continuation too', async () => {
  turns = TURNS.slice(0, 1);
  const control = new AbortController();
  const answered = await server.post({ ...asked, stream: true }, { signal: control.signal });
  assert.equal(answered.status, 200);
  await arrived.promise;
  control.abort();
  await left.promise;
  assert.equal(sent.length, 2);
});
