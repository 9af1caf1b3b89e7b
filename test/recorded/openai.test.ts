/** OpenAI, on recorded answers: passed through as they are, and read and written anew. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { ChatEvent } from '../../src/core/event.ts';
import { createSseReader } from '../../src/protocols/framing/sse.ts';
import { encodeError } from '../../src/protocols/openai-chat/error.ts';
import { openaiChatWire } from '../../src/protocols/openai-chat/call.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { createStreamEncoder } from '../../src/protocols/openai-chat/stream.ts';
import { SKIP, asked, held, judge, prepared, testRecordings, told } from '../support/chat-recordings.ts';
import { framesOf, outside } from '../support/openai-chat.ts';
import { framed, judgeStream, judgeWhole, readRecording, recordedEvents } from '../support/recorded.ts';

const folder = 'openai/chat';
const faithful = { faithful: true } as const;
// the third file there is an error
const only = /^openai-text/;
testRecordings('openai read anew', { folder, quirks: {}, only });
testRecordings('openai passed through', { folder, quirks: faithful, only });

const STREAM = 'openai-text.chunks.txt';

/** What a client of a faithful provider gets, frame by frame. */
function passed(includeUsage: boolean): string {
  const request = asked(STREAM, includeUsage);
  const decoder = prepared(request, faithful).decoder();
  const encoder = createStreamEncoder(request);
  const frames = createSseReader().push(framed(recordedEvents(folder, STREAM), 'data-done'));
  return frames
    .map((frame) => decoder.push(frame))
    .map((batch) => encoder.pass(batch.events, batch.raw ?? 'not passed'))
    .join('');
}

test('openai: a frame passes letter by letter, but for the name of the model', SKIP, () => {
  const lines = recordedEvents(folder, STREAM) as { model: string }[];
  const expected = lines.map((line) => `data: ${JSON.stringify({ ...line, model: 'ours' })}\n\n`);
  assert.equal(passed(true), `${expected.join('')}data: [DONE]\n\n`);
});

test('openai: the usage that we asked for does not pass to a client that did not', SKIP, () => {
  const { chunks, done } = framesOf(passed(false));
  assert.ok(done);
  assert.equal(
    chunks.some(({ usage, choices }) => usage != null || choices.length === 0),
    false,
  );
  assert.deepEqual(judge({ folder, name: STREAM, quirks: faithful, includeUsage: false }).violations, []);
});

test('openai: usage that does not pass is metered all the same', SKIP, () => {
  const { response } = judge({ folder, name: STREAM, quirks: faithful, includeUsage: false });
  assert.equal(response.usage?.completionTokens, held(folder, STREAM).usage?.completion);
});

test('openai: a whole answer passes, but for the name of the model', SKIP, () => {
  const body = JSON.parse(readRecording(folder, 'openai-text.json')) as Record<string, unknown>;
  const { raw } = prepared(asked('openai-text.json'), faithful).response(body);
  assert.deepEqual(JSON.parse(raw ?? ''), { ...body, model: 'ours' });
});

test('openai: reasoning-model-legacy-parameter-error.json keeps its message, code and parameter', SKIP, () => {
  const body = readRecording(folder, 'reasoning-model-legacy-parameter-error.json');
  const error = openaiChatWire.error({ status: 400, headers: {}, body });
  assert.deepEqual(encodeError(error), JSON.parse(body));
  assert.equal(error.status, 400);
});

// --- whole exchanges, with the request that was sent ---

interface Exchange {
  readonly request: { readonly url: string; readonly body: string };
  readonly response: { readonly code: number; readonly body: string };
}

const place = outside('fixtures/openai-http');
const exchanges = place === undefined ? [] : readdirSync(place).filter((name) => /chat-/.test(name));

function exchangeOf(name: string): Exchange {
  const { interactions } = parse(readFileSync(join(place ?? '', name), 'utf8')) as { interactions: Exchange[] };
  assert.equal(interactions.length, 1);
  return interactions[0]!;
}

const target = { provider: 'openai', upstreamModel: 'theirs', model: 'ours', baseUrl: 'https://api.example/v1', facts: {} };
const head = { id: 'chatcmpl-recorded', created: 1_700_000_000 };

for (const name of exchanges) {
  const { request: sent, response: got } = exchangeOf(name);
  if (got.code >= 400) {
    test(`openai: ${name} keeps status, message, type and code`, SKIP, () => {
      const error = openaiChatWire.error({ status: got.code, headers: {}, body: got.body });
      assert.equal(error.status, got.code);
      assert.deepEqual(encodeError(error), JSON.parse(got.body));
    });
    continue;
  }
  for (const quirks of [{}, faithful]) {
    test(`openai: ${name} arrives whole, ${quirks === faithful ? 'passed through' : 'read anew'}`, SKIP, () => {
      const request = parseChatRequest(JSON.parse(sent.body), { strict: false });
      const prepare = () => openaiChatWire.prepare(request, { ...target, quirks }, head);
      assert.deepEqual(prepare().ignored, []);
      const stream = request.stream;
      const judged = stream
        ? judgeStream(new TextEncoder().encode(got.body), { prepare, request })
        : judgeWhole(JSON.parse(got.body), { prepared: prepare(), request });
      // without include_usage the client is not told
      assert.deepEqual(judged.violations, []);
      const said = stream
        ? framesOf(got.body)
            .chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? ''))
            .join('')
        : wholeText(got.body);
      assert.equal(told(judged).content, said);
    });
  }
}

function wholeText(body: string): string {
  const { choices } = JSON.parse(body) as { choices: { message: { content: string | null } }[] };
  return choices[0]?.message.content ?? '';
}

test('openai: chat-text-to-audio.yaml speaks: sound, transcript, id and the time it is kept', SKIP, () => {
  const { request: sent, response: got } = exchangeOf('chat-text-to-audio.yaml');
  const request = parseChatRequest(JSON.parse(sent.body), { strict: false });
  const { response } = openaiChatWire.prepare(request, { ...target, quirks: {} }, head).response(JSON.parse(got.body));
  const { audio } = (JSON.parse(got.body) as { choices: [{ message: { audio: Record<string, unknown> } }] }).choices[0].message;
  const [speech] = response.choices[0]?.blocks ?? [];
  const { id, data, transcript, expires_at: expiresAt } = audio;
  assert.deepEqual(speech, { type: 'speech', id, data, transcript, expiresAt });
});

test('openai: a stream that ends before [DONE] is an error, whatever was passed', SKIP, () => {
  for (const quirks of [{}, faithful]) {
    const decoder = prepared(asked(STREAM), quirks).decoder();
    const frames = createSseReader().push(framed(recordedEvents(folder, STREAM), 'data'));
    const events: ChatEvent[] = frames.flatMap((frame) => [...decoder.push(frame).events]);
    assert.equal(
      events.some(({ type }) => type === 'end' || type === 'error'),
      false,
    );
    const last = decoder.end();
    assert.equal(last.raw, undefined);
    assert.equal(last.events.at(-1)?.type, 'error');
  }
});
