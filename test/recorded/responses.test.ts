import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatRequest, ChatResponse } from '../../src/core/chat.ts';
import { openaiResponsesWire } from '../../src/protocols/openai-responses/call.ts';
import type { Prepared } from '../../src/protocols/wire.ts';
import { accept } from '../support/openai-chat.ts';
import {
  errorOf,
  framed,
  haveRecordings,
  judgeStream,
  judgeWhole,
  readRecording,
  recordedEvents,
  recordingsOf,
  WHY_NOT,
} from '../support/recorded.ts';
import type { Judged } from '../support/recorded.ts';

const options = haveRecordings ? {} : { skip: WHY_NOT };

/** Recordings that end in an error: what it says. */
const ERRORS: Readonly<Record<string, { status: number; type: string; code: string | null; param: string | null }>> = {
  'openai-error.1.chunks.txt': { status: 429, type: 'insufficient_quota', code: 'insufficient_quota', param: null },
  'openai-error.1.json': { status: 429, type: 'insufficient_quota', code: 'insufficient_quota', param: null },
  'reasoning-model-temperature-error.json': { status: 400, type: 'invalid_request_error', code: null, param: 'temperature' },
};

/** Of another API: chat completions. */
const OTHERS = /^azure-deepseek-/;

const FOLDERS = ['openai/responses', 'azure/main', 'xai/responses', 'open-responses/responses'];
const files = FOLDERS.flatMap((folder) => recordingsOf(folder).map((name) => ({ folder, name }))).filter(({ name }) => !OTHERS.test(name));
const sound = files.filter(({ name }) => !(name in ERRORS));

/** Recordings with a place in the contract for less than they hold: a count of each kind of item that is kept for the provider only. */
const UNSEEN: Readonly<Record<string, readonly string[]>> = {
  'openai-apply-patch-tool-delete.1': ['apply_patch_call'],
  'openai-apply-patch-tool.1': ['apply_patch_call'],
  'openai-client-tool-search.1': ['tool_search_call'],
  'openai-local-shell-tool.1': ['local_shell_call'],
  'openai-mcp-tool-approval.1': ['mcp_list_tools', 'mcp_approval_request'],
  'openai-mcp-tool-approval.3': ['mcp_list_tools', 'mcp_approval_request'],
  'openai-shell-container.1': ['shell_call', 'shell_call_output'],
  'openai-shell-tool.1': ['shell_call'],
  'openai-tool-search.1': ['tool_search_call', 'tool_search_output'],
  'programmatic-tool-calling.1': ['program'],
  'programmatic-tool-calling.3': ['program_output'],
};

/** Recordings that cite files, which have no URL. */
const CITES_FILES: Readonly<Record<string, string>> = {
  'openai-file-search-tool.1': 'file_citation',
  'openai-file-search-tool.2': 'file_citation',
  'openai-code-interpreter-tool.1': 'container_file_citation',
};

interface Recorded {
  readonly id?: string;
  readonly type: string;
  readonly role?: string;
  readonly content?: string | { type: string; text: string; annotations?: Citation[] }[];
  readonly summary?: { text: string }[];
  readonly encrypted_content?: string | null;
  readonly call_id?: string;
  readonly name?: string;
  readonly arguments?: string;
  readonly input?: string;
}

interface Citation {
  readonly type: string;
  readonly url?: string;
  readonly start_index?: number;
  readonly end_index?: number;
}

interface Ended {
  readonly created_at: number;
  readonly output: Recorded[];
  readonly tools?: { name?: string; type: string }[];
  readonly usage: {
    input_tokens: number;
    output_tokens: number;
    total_tokens: number;
    input_tokens_details?: { cached_tokens?: number };
    output_tokens_details?: { reasoning_tokens?: number };
  };
}

interface Event {
  readonly type: string;
  readonly item?: Recorded;
  readonly response?: Ended;
}

function prepare(more: Record<string, unknown> = {}): { prepare: () => Prepared; request: ChatRequest } {
  const request = accept(more);
  const target = { provider: 'p', upstreamModel: 'up', model: 'p/m', baseUrl: 'https://host/v1', quirks: {}, facts: {} };
  return { request, prepare: () => openaiResponsesWire.prepare(request, target, { id: 'chatcmpl-1', created: 7 }) };
}

const readWhole = (body: unknown): Judged => {
  const { request, prepare: make } = prepare();
  return judgeWhole(body, { prepared: make(), request });
};

const readStream = (events: readonly unknown[]): Judged =>
  judgeStream(framed(events, 'event-data'), prepare({ stream: true, stream_options: { include_usage: true } }));

/** Two lines of this one lack their last brace. */
const UNCLOSED = 'parallel-tool-call-wrapper.1.chunks.txt';

function eventsOf(folder: string, name: string): unknown[] {
  if (name !== UNCLOSED) return recordedEvents(folder, name);
  const lines = readRecording(folder, name).trim().split('\n');
  return lines.map((line): unknown => JSON.parse(line.endsWith('"metadata":{}}') ? `${line}}` : line));
}

/** A file may hold several answers, one after another. */
function answersOf(folder: string, name: string): Event[][] {
  const answers: Event[][] = [];
  for (const event of eventsOf(folder, name) as Event[]) {
    if (event.type === 'response.created') answers.push([]);
    answers.at(-1)?.push(event);
  }
  return answers;
}

/** The items of an answer with its end: of a stream, as each was when it was done. */
function itemsOf(events: readonly Event[]): { items: Recorded[]; ended: Ended } {
  const ended = events.find(({ type }) => type === 'response.completed')?.response;
  assert.ok(ended);
  return { items: events.flatMap(({ type, item }) => (type === 'response.output_item.done' && item ? [item] : [])), ended };
}

/** Recordings whose last word on a text is another than its pieces were: what a client has read already counts. */
const EDITED: Readonly<Record<string, string>> = { 'openai-shell-container.1.chunks.txt': 'The command ran successfully.' };

const partsOf = ({ content }: Recorded) => (typeof content === 'string' ? [{ type: 'output_text', text: content }] : (content ?? []));

/** What a client must get, taken from the recording by other means than the code under test. */
function expected(items: readonly Recorded[], tools: Ended['tools']) {
  const texts = items.filter(({ type }) => type === 'message').flatMap(partsOf);
  const reasoning = items.filter(({ type }) => type === 'reasoning');
  const calls = items.flatMap(({ type, call_id, name, arguments: input, input: free }): unknown[] => {
    if (type === 'custom_tool_call' && tools?.some((tool) => tool.name === name)) {
      return [{ id: call_id, type: 'custom', custom: { name, input: free } }];
    }
    if (type !== 'function_call') return [];
    if (name !== 'parallel') return [{ id: call_id, type: 'function', function: { name, arguments: input } }];
    const { tool_uses: uses } = JSON.parse(input ?? '') as { tool_uses: { recipient_name: string; parameters: unknown }[] };
    return uses.map(({ recipient_name: to, parameters }, index) => {
      return { id: `${call_id}_${index}`, type: 'function', function: { name: to.split('.')[1], arguments: JSON.stringify(parameters) } };
    });
  });
  return {
    content: texts.map(({ text }) => text).join('') || null,
    reasoning: reasoning
      .map((item) => (partsOf(item).length > 0 ? partsOf(item) : (item.summary ?? [])).map(({ text }) => text).join('\n\n'))
      .join(''),
    calls,
    encrypted: reasoning.flatMap(({ encrypted_content: encrypted }) => (encrypted ? [encrypted] : [])),
    finish: calls.length > 0 ? 'tool_calls' : 'stop',
  };
}

function checkUsage(told: Judged['usage'], { usage }: Ended): void {
  assert.equal(told?.prompt_tokens, usage.input_tokens);
  assert.equal(told?.completion_tokens, usage.output_tokens);
  assert.equal(told?.total_tokens, usage.total_tokens);
  const { prompt_tokens_details: input, completion_tokens_details: output } = told as Record<string, Record<string, number>>;
  assert.equal(input?.cached_tokens, usage.input_tokens_details?.cached_tokens ?? 0);
  assert.equal(output?.reasoning_tokens, usage.output_tokens_details?.reasoning_tokens ?? 0);
}

/** What is kept for the next turn, by kind of item. */
const keptIn = ({ choices }: ChatResponse) =>
  (choices[0]?.blocks ?? []).flatMap((block) => {
    if (block.type !== 'opaque' && block.type !== 'reasoning') return [];
    const data = block.state?.data as Recorded | undefined;
    assert.equal(block.state?.owner ?? 'p', 'p');
    return data ? [data] : [];
  });

function check(judged: Judged, items: readonly Recorded[], ended: Ended): void {
  const [choice] = judged.choices;
  assert.ok(choice);
  const { content, reasoning, calls, encrypted, finish } = expected(items, ended.tools);
  assert.equal(choice.message.content, content);
  assert.equal(choice.message.reasoning_content ?? '', reasoning);
  assert.deepEqual(choice.message.tool_calls ?? [], calls);
  assert.equal(choice.finish_reason, finish);
  assert.equal(judged.response.id, 'chatcmpl-1');
  assert.equal(judged.response.created, ended.created_at || 7);
  const kept = keptIn(judged.response);
  assert.deepEqual(
    kept.flatMap(({ encrypted_content: own }) => (own ? [own] : [])),
    encrypted,
    'encrypted reasoning goes back as it came',
  );
  const others = items.filter(({ type, name }) => {
    const client = type === 'function_call' || (type === 'custom_tool_call' && ended.tools?.some((tool) => tool.name === name));
    return type !== 'message' && type !== 'reasoning' && !client;
  });
  const byId = (a: Recorded, b: Recorded) => String(a.id).localeCompare(String(b.id));
  assert.deepEqual(kept.filter(({ type }) => type !== 'reasoning').toSorted(byId), others.toSorted(byId));
  checkUsage(judged.usage, ended);
  checkCitations(judged, items);
}

function checkCitations({ response }: Judged, items: readonly Recorded[]): void {
  const told = response.choices[0]?.annotations ?? [];
  let base = 0;
  const cited: { url: string | undefined; passage: string | undefined }[] = [];
  for (const part of items.filter(({ type }) => type === 'message').flatMap(partsOf)) {
    const annotations = 'annotations' in part ? (part.annotations ?? []) : [];
    for (const { type, url, start_index: start, end_index: end } of annotations) {
      if (type === 'url_citation') cited.push({ url, passage: start === undefined ? '' : part.text.slice(start, end) });
    }
    base += part.text.length;
  }
  const text = (response.choices[0]?.blocks ?? []).map((block) => (block.type === 'text' ? block.text : '')).join('');
  assert.equal(text.length, base);
  assert.deepEqual(
    told.map(({ url, start, end }) => ({ url, passage: text.slice(start, end) })),
    cited,
  );
}

for (const { folder, name } of sound.filter((file) => file.name.endsWith('.json'))) {
  test(`responses: ${folder}/${name} becomes a completion that says the same`, options, () => {
    const body = JSON.parse(readRecording(folder, name)) as Ended;
    const judged = readWhole(body);
    assert.deepEqual(judged.violations, []);
    check(judged, body.output, body);
  });
}

for (const { folder, name } of sound.filter((file) => file.name.endsWith('.txt'))) {
  test(`responses: ${folder}/${name} becomes streams that say the same, whatever the split`, options, () => {
    const answers = answersOf(folder, name);
    assert.ok(answers.length > 0);
    for (const events of answers) {
      const judged = readStream(events);
      // the published schema of chunks knows calls of functions only
      const violations = judged.violations.filter(
        (one) => name !== 'openai-custom-tool.1.chunks.txt' || !/tool_calls|tool call|arguments are not JSON: $/.test(one),
      );
      assert.deepEqual(violations, []);
      const { items, ended } = itemsOf(events);
      const edited = EDITED[name];
      const told = edited === undefined ? items : items.map((item) => (item.type === 'message' ? { ...item, content: edited } : item));
      check(judged, told, ended);
    }
  });
}

for (const [name, wanted] of Object.entries(ERRORS)) {
  test(`responses: openai/responses/${name} is the provider’s error`, options, () => {
    const folder = 'openai/responses';
    const error = errorOf(() =>
      name.endsWith('.json') ? readWhole(JSON.parse(readRecording(folder, name))) : readStream(recordedEvents(folder, name)),
    );
    const { status, type, code, param } = error;
    assert.deepEqual({ status, type, code, param }, wanted);
    assert.match(error.message, /quota|'temperature'/);
  });
}

for (const [name, types] of Object.entries(UNSEEN)) {
  test(`responses: ${name} holds ${types.join(', ')}: kept for the provider, told to nobody, and no call`, options, () => {
    const [events] = answersOf('openai/responses', `${name}.chunks.txt`);
    assert.ok(events);
    const { items } = itemsOf(events);
    const { response, choices } = readStream(events);
    const kept = keptIn(response).filter(({ type }) => type !== 'reasoning');
    assert.deepEqual(
      kept.map(({ type }) => type),
      types,
    );
    const calls = items.filter(({ type }) => type === 'function_call').length;
    assert.equal(choices[0]?.finish_reason, calls > 0 ? 'tool_calls' : 'stop');
  });
}

for (const { folder, name } of sound.filter((file) => file.name.replace(/\.(json|chunks\.txt)$/, '') in CITES_FILES)) {
  test(`responses: ${folder}/${name} cites files, which have no URL: those citations are left out`, options, () => {
    const text = readRecording(folder, name);
    const type = CITES_FILES[name.replace(/\.(json|chunks\.txt)$/, '')] ?? '';
    assert.match(text, new RegExp(`"type": ?"${type}"`));
    const judged = name.endsWith('.json') ? readWhole(JSON.parse(text)) : readStream(recordedEvents(folder, name));
    assert.equal(judged.response.choices[0]?.annotations, undefined);
  });
}

const toolsOf = (folder: string, name: string) => {
  const judged = name.endsWith('.json') ? readWhole(JSON.parse(readRecording(folder, name))) : readStream(recordedEvents(folder, name));
  return judged.response.usage?.providerTools;
};

test('responses: runs of the provider’s own tools are counted, by what it charges for', options, () => {
  assert.deepEqual(
    toolsOf('openai/responses', 'openai-web-search-tool.1.json'),
    { web_search: 1 },
    'pages that were opened are not searches',
  );
  assert.deepEqual(toolsOf('openai/responses', 'openai-code-interpreter-tool.1.json'), { code_interpreter: 3 });
  assert.deepEqual(toolsOf('openai/responses', 'openai-mcp-tool.1.chunks.txt'), { mcp: 2 });
  assert.deepEqual(toolsOf('openai/responses', 'openai-file-search-tool.1.json'), { file_search: 1 });
  assert.deepEqual(toolsOf('openai/responses', 'openai-shell-container.1.json'), { shell: 1 });
  assert.equal(toolsOf('openai/responses', 'openai-shell-tool.1.json'), undefined, 'a shell of the client’s');
  assert.deepEqual(toolsOf('xai/responses', 'xai-x-search-tool.chunks.txt'), { x_search: 1 }, 'as the provider’s usage says');
  assert.deepEqual(toolsOf('xai/responses', 'xai-x-search-tool.1.json'), { x_search: 1 });
  assert.deepEqual(toolsOf('azure/main', 'azure-image-generation-tool.1.json'), { image_generation: 1 });
});

test('responses: what xAI says it charged', options, () => {
  const { response } = readWhole(JSON.parse(readRecording('xai/responses', 'xai-image-generation-tool.1.json')));
  assert.equal(response.usage?.reportedCost, 0.0000123456);
});

test('responses: the phases of openai-phase.1 go back with the texts that they are of', options, () => {
  const { response } = readStream(recordedEvents('openai/responses', 'openai-phase.1.chunks.txt'));
  const phases = response.choices[0]?.blocks.flatMap((block) => (block.type === 'text' ? [block.state?.data] : []));
  assert.deepEqual(phases, [{ phase: 'commentary' }, { phase: 'final_answer' }]);
});

test('responses: a function that a program of the model’s called goes back with its caller', options, () => {
  const { response } = readStream(recordedEvents('openai/responses', 'programmatic-tool-calling.1.chunks.txt'));
  const call = response.choices[0]?.blocks.find((block) => block.type === 'tool_call');
  assert.deepEqual(call?.state?.data, { caller: { type: 'program', caller_id: 'call_voPdoCqf8APY4DMpam3bdmxq' } });
});

test('responses: generated images have no place in the contract and are kept for the provider whole', options, () => {
  const body = JSON.parse(readRecording('openai/responses', 'openai-image-generation-tool.1.json')) as Ended;
  const kept = keptIn(readWhole(body).response).find(({ type }) => type === 'image_generation_call');
  assert.deepEqual(
    kept,
    body.output.find(({ type }) => type === 'image_generation_call'),
  );
});

test(`responses: ${UNCLOSED} as it is, with frames that are no JSON, is an error`, options, () => {
  const lines = readRecording('openai/responses', UNCLOSED).trim().split('\n');
  const bytes = new TextEncoder().encode(lines.map((line) => `data: ${line}\n\n`).join(''));
  const error = errorOf(() => judgeStream(bytes, prepare({ stream: true })));
  assert.equal(error.kind, 'upstream');
});

test('responses: a file with several answers is read up to the end of the first', options, () => {
  const name = 'azure-reasoning-encrypted-content.1.chunks.txt';
  const [first = []] = answersOf('azure/main', name);
  assert.deepEqual(readStream(recordedEvents('azure/main', name)).choices, readStream(first).choices);
});
