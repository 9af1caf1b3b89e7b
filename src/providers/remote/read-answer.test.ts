import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError, withMessage } from '../../core/error.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { fold } from '../../core/event.ts';
import type { Frame, Prepared } from '../../protocols/wire.ts';
import { fromFirstOutput, readBatches } from './read-answer.ts';

const START: ChatEvent = { type: 'start', id: 'chatcmpl-1', model: 'm', created: 1 };
const OPEN: ChatEvent = { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } };
const END: readonly ChatEvent[] = [
  { type: 'block_end', choice: 0, block: 0 },
  { type: 'finish', choice: 0, reason: 'stop' },
  { type: 'end' },
];
const say = (text: string): ChatEvent => ({ type: 'block_delta', choice: 0, block: 0, text });
const broken = (message = 'broke off') => new GatewayError('upstream', message);

/** A protocol of the test's own: `start`, `end`, `quiet`, `fail`, `boom`, anything else is text. */
function prepared({ raw = false, reshape = [] }: { raw?: boolean; reshape?: Prepared['reshape'] } = {}): Prepared {
  const EVENTS: Readonly<Record<string, readonly ChatEvent[]>> = {
    start: [START, OPEN],
    end: END,
    quiet: [],
    usage: [{ type: 'usage', usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0, reasoningTokens: 0 } }],
    fail: [{ type: 'error', error: broken('said sk-secret') }],
  };
  return {
    call: { url: '', headers: {}, body: '' },
    framing: 'sse',
    ignored: [],
    reshape,
    response: () => assert.fail('not whole'),
    decoder: () => ({
      push({ data }: Frame): Batch {
        if (data === 'boom') throw new Error('a bug');
        const events = EVENTS[data] ?? [say(data)];
        return raw && data !== 'usage' && data !== 'fail' ? { events, raw: `<${data}>` } : { events };
      },
      end: () => ({ events: [{ type: 'error', error: broken() }] }),
    }),
  };
}

const scrub = (error: GatewayError): GatewayError => withMessage(error, error.message.replace('sk-secret', '[key]'));

async function* reads(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* listed(batches: readonly Batch[]): AsyncGenerator<Batch> {
  yield* batches;
}

const frames = (...datas: readonly string[]): string => datas.map((data) => `data: ${data}\n\n`).join('');

async function batchesOf(plan: Prepared, bytes: AsyncIterable<Uint8Array>): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of readBatches(plan, bytes, scrub)) batches.push(batch);
  return batches;
}

const errorIn = (batches: readonly Batch[]): GatewayError | undefined => {
  const last = batches.at(-1)?.events.at(-1);
  return last?.type === 'error' ? last.error : undefined;
};

test('read: all frames of one read are one batch', async () => {
  const batches = await batchesOf(prepared(), reads(frames('start', 'a', 'b'), frames('c', 'end')));
  assert.deepEqual(
    batches.map(({ events }) => events.map(({ type }) => type)),
    [
      ['start', 'block_start', 'block_delta', 'block_delta'],
      ['block_delta', 'block_end', 'finish', 'end'],
    ],
  );
});

test('read: nothing after the end is read', async () => {
  const batches = await batchesOf(prepared(), reads(frames('start', 'end', 'more'), frames('again')));
  assert.equal(batches.length, 1);
  assert.equal(batches[0]?.events.at(-1)?.type, 'end');
});

test('read: bytes that stop before the protocol’s end make an error, the last thing there is', async () => {
  assert.equal(errorIn(await batchesOf(prepared(), reads(frames('start', 'a'))))?.message, 'broke off');
});

test('read: an error of the provider is scrubbed, a bug of ours is an internal error without its words', async () => {
  assert.equal(errorIn(await batchesOf(prepared(), reads(frames('start', 'fail'))))?.message, 'said [key]');
  const bug = errorIn(await batchesOf(prepared(), reads(frames('boom'))));
  assert.equal(bug?.kind, 'internal');
  assert.ok(!bug?.message.includes('a bug'));
});

test('read: what breaks the bytes is the stream’s error', async () => {
  async function* cut(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(frames('start', 'a'));
    throw new GatewayError('upstream_timeout', 'silent');
  }
  assert.equal(errorIn(await batchesOf(prepared(), cut()))?.kind, 'upstream_timeout');
});

test('read: raw frames pass joined, those that must not pass are left out, and none is lost for having no event', async () => {
  const batches = await batchesOf(prepared({ raw: true }), reads(frames('quiet'), frames('start', 'a', 'usage', 'end')));
  assert.deepEqual(
    batches.map(({ raw }) => raw),
    ['<quiet>', '<start><a><end>'],
  );
});

test('read: where a step reshapes the answer nothing passes raw', async () => {
  const loud = () => ({
    push: (events: readonly ChatEvent[]) =>
      events.map((event) => (event.type === 'block_delta' ? { ...event, text: event.text.toUpperCase() } : event)),
  });
  const batches = await batchesOf(prepared({ raw: true, reshape: [loud] }), reads(frames('start', 'a', 'end')));
  assert.equal(batches[0]?.raw, undefined);
  assert.deepEqual(batches[0]?.events[2], say('A'));
});

test('first output: what comes before it is held back and then comes first', async () => {
  const batches = await fromFirstOutput(
    readBatches(prepared(), reads(frames('start'), frames('quiet'), frames('a'), frames('end')), scrub),
  );
  const response = await fold(batches);
  assert.deepEqual(response.choices[0]?.blocks, [{ type: 'text', text: 'a' }]);
});

test('first output: a failure before it is thrown and the bytes are let go', async () => {
  let left = false;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield Buffer.from(frames('start', 'fail'));
    } finally {
      left = true;
    }
  }
  await assert.rejects(fromFirstOutput(readBatches(prepared(), bytes(), scrub)), { message: 'said [key]' });
  assert.ok(left);
});

test('first output: a reader who leaves lets the bytes go', async () => {
  let left = false;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.from(frames('start', 'a'));
    } finally {
      left = true;
    }
  }
  for await (const batch of await fromFirstOutput(readBatches(prepared(), bytes(), scrub))) {
    assert.ok(batch.events.length > 0);
    break;
  }
  assert.ok(left);
});

test('read: JSON in place of a stream is read as what it is, an error or an answer', async () => {
  const usage = undefined;
  const response = {
    id: 'chatcmpl-1',
    model: 'm',
    created: 1,
    choices: [{ blocks: [{ type: 'text', text: 'whole' }], reason: 'stop' }],
    usage,
  } as const;
  const plan: Prepared = {
    ...prepared(),
    response(body) {
      if (JSON.stringify(body).includes('error')) throw broken('no credit, sk-secret');
      return { response };
    },
  };
  assert.equal(errorIn(await batchesOf(plan, reads('{"err', 'or":"x"}')))?.message, 'no credit, [key]');
  const batches = await batchesOf(plan, reads('\n{"choices":[]}'));
  assert.deepEqual(await fold(listed(batches)), response);
});

test('read: a page in place of a stream says what it is; a stream that only kept alive does not', async () => {
  const page = '<html><head><title>Bad gateway sk-secret</title></head></html>';
  assert.equal(errorIn(await batchesOf(prepared(), reads(page)))?.message, 'The provider sent no stream: Bad gateway [key]');
  assert.equal(errorIn(await batchesOf(prepared(), reads(': ping\n\n', ': ping\n\n')))?.message, 'broke off');
  assert.equal(errorIn(await batchesOf(prepared(), reads(frames('start'), '<html>')))?.message, 'broke off');
});
