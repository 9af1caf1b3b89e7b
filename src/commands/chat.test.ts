import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { main } from '../main.ts';
import { eventData } from './chat-client.ts';
import { startFakeServer, type FakeServerOptions } from './chat-testing.ts';
import { fakeIo, type FakeIo } from './output-testing.ts';

async function serve(context: TestContext, options?: FakeServerOptions) {
  const server = await startFakeServer(options);
  context.after(() => server.close());
  return server;
}

async function piped(words: readonly string[], stdin: string, env: Record<string, string> = {}) {
  const io = fakeIo({ stdin, env });
  const code = await main(['chat', ...words], io);
  return { code, out: io.out(), err: io.err() };
}

test('chat piped: the answer and nothing else, of the first model', async (context) => {
  const server = await serve(context);
  server.replies.push({ text: 'Hello there, friend.' });
  assert.deepEqual(await piped(['--url', server.url], 'hi\n'), { code: 0, out: 'Hello there, friend.\n', err: '' });
  assert.equal(server.requests[0]?.body.model, 'first');
  assert.deepEqual(server.requests[0]?.body.messages, [{ role: 'user', content: 'hi\n' }]);
});

test('chat piped: an answer that ends its line gets no second end', async (context) => {
  const server = await serve(context);
  server.replies.push({ text: 'done\n' });
  assert.equal((await piped(['--url', server.url], 'hi')).out, 'done\n');
});

test('chat piped: what is asked for is sent', async (context) => {
  const server = await serve(context);
  await piped(
    ['second', '--url', `${server.url}/v1/`, '--key', 'k', '--system', 'Be brief.', '--temperature', '0', '--max-tokens', '7'],
    'hi',
  );
  const [request] = server.requests;
  assert.equal(request?.authorization, 'Bearer k');
  const { model, temperature, max_completion_tokens: most, messages, stream } = request.body;
  assert.deepEqual([model, temperature, most, stream], ['second/large', 0, 7, true]);
  assert.deepEqual(messages, [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'hi' },
  ]);
});

test('chat piped: a key that cannot be sent is refused and not shown', async (context) => {
  const server = await serve(context);
  const { code, err } = await piped(['--url', server.url, '--key', 'hush\nhush'], 'hi');
  assert.equal(code, 2);
  assert.match(err, /--key must be printable ASCII/);
  assert.doesNotMatch(err, /hush/);
});

test('chat piped: reasoning is no part of the answer', async (context) => {
  const server = await serve(context);
  server.replies.push({ text: 'Four.', reasoning: 'two and two' });
  assert.equal((await piped(['--url', server.url], 'hi')).out, 'Four.\n');
});

test('chat piped: --json gives the answer, how it ended and what it took', async (context) => {
  const server = await serve(context);
  server.replies.push({ text: 'Four.', reasoning: 'two and two', finish: 'length' });
  assert.deepEqual(JSON.parse((await piped(['--url', server.url, '--json'], 'hi')).out), {
    model: 'first',
    content: 'Four.',
    reasoning: 'two and two',
    finish_reason: 'length',
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
});

test('chat piped: failures go to stderr, with exit code 1', async (context) => {
  const server = await serve(context);
  const envelope = { error: { message: 'This prompt has 9000 tokens.', type: 'invalid_request_error', param: 'messages', code: 'x' } };
  server.replies.push(
    { status: 400, body: envelope },
    { status: 500, body: 'oops' },
    { failing: 'half an', message: 'The engine died.' },
    { cut: 'half' },
  );
  const fails = async (out: string, err: RegExp) => {
    const result = await piped(['--url', server.url], 'hi');
    assert.deepEqual([result.code, result.out], [1, out]);
    assert.match(result.err, err);
  };
  await fails('', /^error: This prompt has 9000 tokens\.$/m);
  await fails('', /answers 500, and not as a chat completions server does/);
  await fails('half an\n', /^error: The engine died\.$/m);
  await fails('half\n', /the connection ended before the answer did|terminated/);
});

test('chat piped: a server out of reach, an unknown model and a missing key are explained', async (context) => {
  const server = await serve(context);
  const unknown = await piped(['thrid', '--url', server.url], 'hi');
  assert.match(unknown.err, /there is no model "thrid"; there are first, second\/large/);
  assert.match((await piped(['fisrt', '--url', server.url], 'hi')).err, /did you mean first\?/);
  const gone = await startFakeServer();
  await gone.close();
  assert.match((await piped(['--url', gone.url], 'hi')).err, /cannot be reached \(.*ECONNREFUSED/);
  const empty = await serve(context, { models: [] });
  assert.match((await piped(['--url', empty.url], 'hi')).err, /there are no models; parlance models pull/);
});

test('chat: wrong words and flags are usage errors', async () => {
  for (const [words, stdin, message] of [
    [['a', 'b'], 'hi', /only one model, not also "b"/],
    [['--temperature', '3'], 'hi', /--temperature must be a number from 0 to 2/],
    [['--max-tokens', '0'], 'hi', /whole number of at least 1/],
    [['--url', 'http://'], 'hi', /--url must be an address/],
    [[], '  \n', /the question from the pipe is empty/],
  ] as const) {
    const { code, err } = await piped(words, stdin);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
  const io = fakeIo({ terminal: true });
  assert.equal(await main(['chat', '--json'], io), 2);
});

test('chat: a Parlance at the configured address is used, with a key of this environment', async (context) => {
  const server = await serve(context);
  const env = { PARLANCE_PORT: String(server.port), PARLANCE_API_KEYS: `sha256:${'a'.repeat(64)},plain-key` };
  assert.equal((await piped([], 'hi', env)).out, 'ok\n');
  assert.equal(server.requests[0]?.authorization, 'Bearer plain-key');
  assert.equal(server.requests[0]?.body['temperature'], 0.7);
});

test('chat: the keys of this environment are not sent to a server that is named', async (context) => {
  const server = await serve(context);
  await piped(['--url', server.url], 'hi', { PARLANCE_API_KEYS: 'plain-key' });
  assert.equal(server.requests[0]?.authorization, undefined);
  assert.equal('temperature' in (server.requests[0]?.body ?? {}), false, 'nor our temperature');
});

test('chat: where another program answers at the address, a server of its own is started', { timeout: 300_000 }, async (context) => {
  const other = await serve(context, { health: 'something else' });
  const env = {
    PARLANCE_PORT: String(other.port),
    PARLANCE_ENGINE_CONTEXT_SIZE: '512',
    PARLANCE_ENGINE_SEQUENCES: '1',
    PARLANCE_ENGINE_THREADS: '1',
  };
  const { code, out, err } = await piped(['smollm2', '--max-tokens', '4', '--temperature', '0'], 'Say hello.', env);
  assert.equal(code, 0, err);
  assert.equal(err, '');
  assert.match(out, /\S/);
  assert.equal(other.requests.length, 0);
});

test('chat: models of providers keep their own default temperature', async (context) => {
  const server = await serve(context, { models: [{ id: 'small' }, { id: 'acme/large', provider: 'acme' }] });
  const env = { PARLANCE_PORT: String(server.port) };
  await piped(['small'], 'hi', env);
  await piped(['acme/large'], 'hi', env);
  await piped(['acme/large', '--temperature', '0.2'], 'hi', env);
  assert.deepEqual(
    server.requests.map(({ body }) => body['temperature']),
    [0.7, undefined, 0.2],
  );
});

test('chat: a model that is not listed is taken where the server knows it', async (context) => {
  const server = await serve(context, { models: ['first'], unlisted: [{ id: 'acme/deploy@1', provider: 'acme' }] });
  assert.equal((await piped(['acme/deploy@1', '--url', server.url], 'hi')).code, 0);
  assert.equal(server.requests[0]?.body.model, 'acme/deploy@1');
  assert.match((await piped(['acme/other', '--url', server.url], 'hi')).err, /there is no model "acme\/other"; there are first/);
  const without = await serve(context, { models: [], unlisted: ['acme/deploy'] });
  assert.equal((await piped(['acme/deploy', '--url', without.url], 'hi')).code, 0);
});

test('chat: a deployment that its provider does not list answers on a server of our own', { timeout: 300_000 }, async (context) => {
  const other = await serve(context, { health: 'something else' });
  const upstream = await serve(context);
  const env = {
    PARLANCE_PORT: String(other.port),
    PARLANCE_MODELS_BUILT_IN: 'false',
    PARLANCE_PROVIDERS: JSON.stringify({ acme: { wire: 'openai-chat', baseUrl: `${upstream.url}/v1`, listModels: false, key: 'k' } }),
  };
  const missing = await piped(['acme/some-deployment', '--models-dir', '/does/not/exist'], 'hi', env);
  assert.match(missing.err, /there is no model "acme\/some-deployment"/, 'where the configuration names the models, others are not there');
  const open = { ...env, PARLANCE_PROVIDERS: env.PARLANCE_PROVIDERS.replace('"listModels":false,', '') };
  assert.deepEqual(await piped(['acme/some-deployment', '--models-dir', '/does/not/exist'], 'hi', open), { code: 0, out: 'ok\n', err: '' });
  assert.deepEqual([upstream.requests[0]?.body.model, upstream.requests[0]?.body['temperature']], ['some-deployment', undefined]);
});

test('chat: in a conversation the temperature follows the model', async (context) => {
  const server = await serve(context, { models: [{ id: 'small' }, { id: 'acme/large', provider: 'acme' }] });
  const io = fakeIo({ terminal: true, env: { NO_COLOR: '1', PARLANCE_PORT: String(server.port) } });
  const running = main(['chat'], io);
  await io.shows(/small; \/help/);
  io.stdin.write('one\r');
  await io.shows(/ok\n/);
  io.stdin.write('/model large\r');
  await io.shows(/Now acme\/large/);
  io.stdin.write('two\r');
  await io.shows(/ok\n[^]*ok\n/);
  io.stdin.write('/exit\r');
  await running;
  assert.deepEqual(
    server.requests.map(({ body }) => [body.model, body['temperature']]),
    [
      ['small', 0.7],
      ['acme/large', undefined],
    ],
  );
});

async function typing(context: TestContext, words: readonly string[] = []) {
  const server = await serve(context);
  const io = fakeIo({ terminal: true, env: { NO_COLOR: '1' } });
  const running = main(['chat', '--url', server.url, ...words], io);
  await io.shows(/first; \/help/);
  const type = (text: string): void => void io.stdin.write(text);
  return { server, io, running, type };
}

/** How often something has been shown. */
const times = (io: FakeIo, text: string): number => io.out().split(text).length - 1;

test('chat: a conversation remembers what was said, and Ctrl-D ends it', async (context) => {
  const { server, io, running, type } = await typing(context, ['--system', 'Be kind.']);
  server.replies.push({ text: 'Hello, Ada!' }, { text: 'You are Ada.' });
  type('I am Ada\r');
  await io.shows(/Hello, Ada!\n/);
  type('Who am I?\r');
  await io.shows(/You are Ada\.\n/);
  type('\u0004');
  assert.equal(await running, 0);
  assert.deepEqual(server.requests[1]?.body.messages, [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'I am Ada' },
    { role: 'assistant', content: 'Hello, Ada!' },
    { role: 'user', content: 'Who am I?' },
  ]);
});

test('chat: Ctrl-C stops the answer and not the program, and the server is told', async (context) => {
  const { server, io, running, type } = await typing(context);
  server.replies.push({ hang: 'Once upon a time' }, { text: 'Yes.' });
  type('Tell me a story\r');
  await io.shows(/Once upon a time/);
  type('\u0003');
  await io.shows(/\(stopped\)/);
  await server.requests[0]?.gone;
  type('Still there?\r');
  await io.shows(/Yes\.\n/);
  assert.deepEqual(
    server.requests[1]?.body.messages.map(({ content }) => content),
    ['Tell me a story', 'Once upon a time', 'Still there?'],
  );
  type('/exit\r');
  assert.equal(await running, 0);
});

test('chat: the shell’s Ctrl-C does the same', async (context) => {
  const { server, io, running, type } = await typing(context);
  server.replies.push({ hang: 'Once' });
  type('go\r');
  await io.shows(/Once/);
  io.interrupt();
  await io.shows(/\(stopped\)/);
  type('/exit\r');
  assert.equal(await running, 0);
});

test('chat: Ctrl-C clears a line that was begun; at the empty prompt the second one ends', async (context) => {
  const { server, io, running, type } = await typing(context);
  await io.shows(/> /);
  type('half a thou');
  await io.shows(/half a thou/);
  type('\u0003');
  type('whole\r');
  await io.shows(/ok\n.*> /);
  assert.deepEqual(
    server.requests.map(({ body }) => body.messages.at(-1)?.content),
    ['whole'],
  );
  type('\u0003');
  await io.shows(/Ctrl-C again, or Ctrl-D, ends the conversation\./);
  type('\u0003');
  assert.equal(await running, 0);
});

test('chat: something said between two Ctrl-C keeps the conversation', async (context) => {
  const { io, running, type } = await typing(context);
  type('\u0003');
  await io.shows(/Ctrl-C again/);
  type('hello\r');
  await io.shows(/ok\n.*> /);
  type('\u0003');
  await io.shows(/Ctrl-C again[^]*Ctrl-C again/);
  assert.equal(times(io, 'Ctrl-C again'), 2);
  type('\u0004');
  assert.equal(await running, 0);
});

test('chat: a backslash, and three quotes, make messages of several lines', async (context) => {
  const { server, io, running, type } = await typing(context);
  type('one\\\rtwo\r');
  await io.shows(/ok\n/);
  type('"""\rthree\r\rfour"""\r');
  await io.shows(/ok\n[^]*ok\n/);
  type('"""five\rsix\r"""\r');
  await io.shows(/ok\n[^]*ok\n[^]*ok\n/);
  type('\u0004');
  await running;
  assert.deepEqual(
    server.requests.map(({ body }) => body.messages.at(-1)?.content),
    ['one\ntwo', 'three\n\nfour', 'five\nsix'],
  );
});

test('chat: what is typed during an answer waits for its turn', async (context) => {
  const { server, io, running, type } = await typing(context);
  server.replies.push({ hang: 'Once' }, { text: 'second answer' });
  type('first\r');
  await io.shows(/Once/);
  type('second\r\u0003');
  await io.shows(/second answer/);
  assert.equal(server.requests[1]?.body.messages.at(-1)?.content, 'second');
  type('\u0004');
  await running;
});

test('chat: /clear, /system and /model change what is sent', async (context) => {
  const { server, io, running, type } = await typing(context);
  type('remember\r');
  await io.shows(/ok\n/);
  type('/clear\r');
  await io.shows(/Forgotten/);
  type('/system Be terse.\r');
  await io.shows(/System: Be terse\./);
  type('/model\r');
  await io.shows(/\* first\n {2}second\/large/);
  type('/model second\r');
  await io.shows(/Now second\/large/);
  type('//etc/hosts\r');
  await io.shows(/ok\n[^]*ok\n/);
  type('/exit\r');
  assert.equal(await running, 0);
  const { model, messages } = server.requests[1]?.body ?? {};
  assert.equal(model, 'second/large');
  assert.deepEqual(messages, [
    { role: 'system', content: 'Be terse.' },
    { role: 'user', content: '/etc/hosts' },
  ]);
});

test('chat: /help lists the commands, and an unknown one is not sent', async (context) => {
  const { server, io, running, type } = await typing(context);
  type('/help\r');
  await io.shows(/\/clear +forget the conversation/);
  type('/claer\r');
  await io.shows(/there is no \/claer, did you mean \/clear\?/);
  type('/model nothing-like-it\r');
  await io.shows(/there is no model "nothing-like-it"/);
  type('\u0004');
  assert.equal(await running, 0);
  assert.equal(server.requests.length, 0);
});

test('chat: a failed answer is shown, and its question is not kept', async (context) => {
  const { server, io, running, type } = await typing(context);
  server.replies.push({ status: 503, body: { error: { message: 'The server is full.', type: 'x', param: null, code: null } } });
  type('one\r');
  await io.shows(/error: The server is full\./);
  type('two\r');
  await io.shows(/ok\n/);
  type('\u0004');
  await running;
  assert.deepEqual(server.requests[1]?.body.messages, [{ role: 'user', content: 'two' }]);
});

test('chat: an answer cut off by the limit is marked', async (context) => {
  const { server, io, running, type } = await typing(context);
  server.replies.push({ text: 'and so', finish: 'length' });
  type('go\r');
  await io.shows(/and so\n\(the longest answer allowed ended here\)/);
  type('\u0004');
  await running;
});

test('chat: reasoning is shown dim before the answer, and is not sent back', async (context) => {
  const server = await serve(context);
  const io = fakeIo({ terminal: true });
  const running = main(['chat', '--url', server.url], io);
  server.replies.push({ text: 'Four.', reasoning: 'two and two' });
  io.stdin.write('sum\r');
  await io.shows(/Four\.\n/);
  assert.ok(io.out().includes('\u001b[2mtwo and two\u001b[22m\n\nFour.'));
  io.stdin.write('again\r');
  await io.shows(/ok\n/);
  io.stdin.write('\u0004');
  await running;
  assert.equal(server.requests[1]?.body.messages[1]?.content, 'Four.');
});

test('chat: a model cannot take over the terminal', async (context) => {
  const { server, io, running, type } = await typing(context);
  server.replies.push({ text: 'a\u001b]0;owned\u0007b\u001b[2mc\u001b[22m' });
  type('go\r');
  await io.shows(/a\]0;ownedb\[2mc\[22m/);
  type('\u0004');
  await running;
});

test('events: frames are read alike however their bytes are cut', async () => {
  const bytes = Buffer.from(
    ': ping\n\ndata: {"a":"é😀"}\r\n\r\nevent: x\ndata: one\ndata:two\n\nid: 3\n\ndata: last\r\rdata: unfinished\n',
  );
  for (const step of [1, 2, 7, bytes.length]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) => bytes.subarray(index * step, (index + 1) * step));
    const read: string[] = [];
    for await (const data of eventData(
      (async function* () {
        yield* pieces;
      })(),
    ))
      read.push(data);
    assert.deepEqual(read, ['{"a":"é😀"}', 'one\ntwo', 'last'], `${step}`);
  }
});
