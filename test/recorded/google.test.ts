/** Every recorded answer of generateContent and streamGenerateContent, and what a client gets of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { geminiWire } from '../../src/protocols/gemini/call.ts';
import type { GeminiQuirks } from '../../src/protocols/gemini/quirks.ts';
import type { Prepared, WireTarget } from '../../src/protocols/wire.ts';
import { accept } from '../support/openai-chat.ts';
import {
  WHY_NOT,
  errorOf,
  framed,
  haveRecordings,
  judgeStream,
  judgeWhole,
  readRecording,
  recordedEvents,
  recordingsOf,
} from '../support/recorded.ts';
import type { Judged } from '../support/recorded.ts';

const folder = 'google/main';
const head = { id: 'chatcmpl-recorded', created: 1_760_000_000 };

const target: WireTarget<GeminiQuirks> = {
  provider: 'google',
  upstreamModel: 'gemini-3-pro-preview',
  model: 'google/gemini-3-pro-preview',
  baseUrl: 'https://google.test/v1beta',
  quirks: {},
  facts: {},
};

interface Call {
  readonly name?: string;
  readonly args?: unknown;
  readonly partialArgs?: readonly { readonly jsonPath: string; readonly [value: string]: unknown }[];
}

interface Body {
  readonly candidates?: readonly {
    readonly content?: { readonly parts?: readonly { text?: string; thought?: boolean; thoughtSignature?: string; functionCall?: Call }[] };
    readonly finishReason?: string;
  }[];
  readonly usageMetadata?: Readonly<Record<string, number>>;
}

/** What a recording holds, read out of its own JSON by rules of this test alone. */
function heldIn(bodies: readonly Body[]) {
  const parts = bodies.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
  const calls: { name: string; args: unknown }[] = [];
  for (const { functionCall } of parts) {
    if (functionCall?.name) calls.push({ name: functionCall.name, args: functionCall.args ?? {} });
    for (const { jsonPath, stringValue, numberValue, boolValue } of functionCall?.partialArgs ?? []) {
      const value = stringValue ?? numberValue ?? boolValue ?? null;
      put(calls.at(-1)?.args as Record<string, unknown>, jsonPath.match(/[A-Za-z_]+|\d+/g) ?? [], value);
    }
  }
  const usage = bodies.map(({ usageMetadata }) => usageMetadata).findLast((one) => one?.['promptTokenCount'] !== undefined);
  return {
    text: parts.map(({ text = '', thought }) => (thought ? '' : text)).join(''),
    reasoning: parts.map(({ text = '', thought }) => (thought ? text : '')).join(''),
    signatures: parts.flatMap(({ thoughtSignature }) => (thoughtSignature ? [thoughtSignature] : [])),
    calls,
    usage,
  };
}

/** Strings at one place are joined; a number as a step is a place in an array. */
function put(into: Record<string, unknown>, [step = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    const known = into[step];
    into[step] = typeof known === 'string' && typeof value === 'string' ? known + value : value;
    return;
  }
  into[step] ??= /^\d/.test(rest[0] ?? '') ? [] : {};
  put(into[step] as Record<string, unknown>, rest, value);
}

type Held = ReturnType<typeof heldIn>;

interface Message {
  readonly content: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[];
}

function check({ choices, usage, response, violations }: Judged, held: Held): void {
  assert.deepEqual(violations, []);
  assert.equal(choices.length, 1);
  const message = choices[0]?.message as unknown as Message;
  assert.equal(message.content ?? '', held.text);
  assert.equal(message.reasoning_content ?? '', held.reasoning);
  const calls = message.tool_calls ?? [];
  assert.deepEqual(
    calls.map(({ function: { name, arguments: json } }) => ({ name, args: JSON.parse(json) as unknown })),
    held.calls,
  );
  assert.equal(new Set(calls.map(({ id }) => id)).size, calls.length, 'ids of calls are unique');
  assert.equal(choices[0]?.finish_reason, held.calls.length > 0 ? 'tool_calls' : 'stop');
  checkUsage(usage, held);
  const states = response.choices[0]?.blocks.flatMap((block) => ('state' in block && block.state ? [block.state] : [])) ?? [];
  assert.deepEqual(
    states.map(({ owner, data }) => [owner, (data as { signature: string }).signature]),
    held.signatures.map((signature) => ['google', signature]),
  );
}

function checkUsage(usage: Record<string, unknown> | undefined, { usage: held }: Held): void {
  assert.ok(held && usage);
  const { promptTokenCount: prompt = 0, candidatesTokenCount: answer = 0, thoughtsTokenCount: thoughts = 0 } = held;
  assert.equal(usage['prompt_tokens'], prompt);
  assert.equal(usage['completion_tokens'], answer + thoughts);
  assert.equal(usage['total_tokens'], held['totalTokenCount']);
  assert.equal((usage['completion_tokens_details'] as { reasoning_tokens: number }).reasoning_tokens, thoughts);
}

const skip = haveRecordings ? false : WHY_NOT;
const prepare = (request: ReturnType<typeof accept>): Prepared => geminiWire.prepare(request, target, head);

for (const name of recordingsOf(folder)) {
  if (name === 'google-429-retry-info.json') continue;
  test(`google: ${name} reaches a client as it is`, { skip }, () => {
    if (name.endsWith('.json')) {
      const body = JSON.parse(readRecording(folder, name)) as Body;
      const request = accept();
      check(judgeWhole(body, { prepared: prepare(request), request }), heldIn([body]));
      return;
    }
    const lines = recordedEvents(folder, name);
    const request = accept({ stream: true, stream_options: { include_usage: true } });
    const judged = judgeStream(framed(lines, 'data'), { prepare: () => prepare(request), request });
    check(judged, heldIn(lines as Body[]));
    const quiet = accept({ stream: true });
    assert.deepEqual(judgeStream(framed(lines, 'data'), { prepare: () => prepare(quiet), request: quiet }).violations, []);
  });

  if (!name.endsWith('.txt')) continue;
  test(`google: ${name} cut off before its end is an error, wherever it is cut`, { skip }, () => {
    const lines = recordedEvents(folder, name);
    const request = accept({ stream: true });
    const finished = lines.findIndex((line) => (line as Body).candidates?.some(({ finishReason }) => finishReason));
    for (let kept = 0; kept <= finished; kept += Math.ceil(finished / 12)) {
      const error = errorOf(() => judgeStream(framed(lines.slice(0, kept), 'data'), { prepare: () => prepare(request), request }));
      assert.equal(error.kind, 'upstream');
    }
  });
}

test('google: google-429-retry-info.json is a limit by the minute, to be tried again after 34.4 seconds', { skip }, () => {
  const body = readRecording(folder, 'google-429-retry-info.json');
  const error = geminiWire.error({ status: 429, headers: {}, body });
  assert.deepEqual(
    [error.status, error.type, error.code, error.retryAfterMs, error.retryable],
    [429, 'requests', 'rate_limit_exceeded', 34_400, true],
  );
  assert.equal(error.message, 'You exceeded your current quota, please check your plan.');
  // the same as a frame, and as a body of status 200
  const request = accept({ stream: true });
  const framedError = errorOf(() => judgeStream(framed([JSON.parse(body)], 'data'), { prepare: () => prepare(request), request }));
  assert.deepEqual([framedError.status, framedError.retryAfterMs], [429, 34_400]);
  assert.equal(errorOf(() => prepare(accept()).response(JSON.parse(body))).status, 429);
});

test('google-vertex: embeddings are no chat', { skip }, () => {
  assert.deepEqual(recordingsOf('google-vertex/main'), ['google-vertex-embedding.json']);
  const body: unknown = JSON.parse(readRecording('google-vertex/main', 'google-vertex-embedding.json'));
  assert.equal(errorOf(() => prepare(accept()).response(body)).kind, 'upstream');
});
