import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillIn, placeholders } from './catalog/variables.ts';
import { CATALOG, rowOf } from './catalog.ts';
import type { ProviderRow, Spoken } from './row.ts';

const EXPECTED =
  'openai azure anthropic google vertex bedrock mistral groq deepseek xai together fireworks openrouter cerebras perplexity cohere moonshot ' +
  'alibaba zhipu minimax nvidia huggingface nebius sambanova hyperbolic ollama lmstudio vllm sglang llamacpp localai';

function urlsOf(row: ProviderRow): readonly string[] {
  return [
    row.baseUrl,
    ...(row.rules ?? []).flatMap((rule) => rule.baseUrl ?? []),
    ...(row.listing?.path.startsWith('/') === false ? [row.listing.path] : []),
  ];
}

test('catalog: the well-known providers are there, each once', () => {
  const ids = CATALOG.map((row) => row.id);
  assert.deepEqual(
    EXPECTED.split(' ').filter((id) => !ids.includes(id)),
    [],
  );
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) {
    assert.match(id, /^[a-z][a-z0-9-]*$/);
    assert.equal(rowOf(id)?.id, id);
  }
  assert.equal(rowOf('unheard-of'), undefined);
  assert.equal(rowOf('constructor'), undefined);
});

test('catalog: no two rows have the same name, and none says what another says', () => {
  assert.equal(new Set(CATALOG.map((row) => row.name)).size, CATALOG.length);
  const said = CATALOG.map((row) => JSON.stringify([row.baseUrl, row.keyEnv, row.baseUrlEnv]));
  assert.equal(new Set(said).size, CATALOG.length);
});

test('catalog: every part in braces has a variable, and filled in it is a URL without a slash at the end', () => {
  for (const row of CATALOG) {
    const variables = row.variables ?? {};
    for (const variable of Object.values(variables)) {
      for (const name of placeholders([variable.default, ...Object.values(variable.cases ?? {})].join(' ')))
        assert.ok(name in variables, row.id);
      if (variable.by !== undefined) assert.ok(variable.by in variables, row.id);
    }
    const given = Object.fromEntries(
      Object.entries(variables)
        .filter(([, variable]) => variable.default === undefined)
        .map(([name]) => [name, name === 'endpoint' ? 'https://server.example' : 'thing']),
    );
    for (const url of urlsOf(row)) {
      for (const name of placeholders(url)) assert.ok(name in variables, `${row.id}: {${name}}`);
      const filled = fillIn(url, variables, { given, env: {} });
      assert.ok(filled.ok, `${row.id}: ${url}`);
      const { protocol, href } = new URL(filled.text);
      assert.ok(protocol === 'https:' || (row.local === true && protocol === 'http:'), `${row.id}: ${href}`);
      assert.doesNotMatch(filled.text, /[/{}]$|\/\/.*\/\//, row.id);
    }
  }
});

test('catalog: variables of the environment are spelled in capitals, and one that holds a key belongs to one row', () => {
  const keys = CATALOG.flatMap((row) => row.keyEnv);
  assert.equal(new Set(keys).size, keys.length);
  const all = CATALOG.flatMap((row) => [
    ...row.keyEnv,
    ...(row.baseUrlEnv ?? []),
    ...Object.values(row.variables ?? {}).flatMap((variable) => variable.env),
  ]);
  for (const name of all) assert.match(name, /^[A-Z][A-Z0-9_]+$/);
});

test('catalog: who needs a key has a variable for it; who is local needs none', () => {
  for (const row of CATALOG) {
    const optional = 'optional' in row.auth && row.auth.optional === true;
    assert.equal(optional, row.local === true, row.id);
    if (!optional && row.auth.scheme !== 'google') assert.ok(row.keyEnv.length > 0, row.id);
  }
});

test('catalog: every row says where its API is documented, and headers are spelled in lower case', () => {
  for (const row of CATALOG) {
    assert.equal(new URL(row.docs).protocol, 'https:', row.id);
    for (const name of Object.keys(row.headers ?? {})) assert.match(name, /^[a-z][a-z0-9-]*$/);
  }
});

test('catalog: passed through unread are only the answers of OpenAI and of servers of this kind', () => {
  const faithful = CATALOG.filter((row) => row.speaks.wire === 'openai-chat' && row.speaks.quirks?.faithful === true).map((row) => row.id);
  assert.deepEqual(faithful, ['openai', 'parlance']);
});

test('catalog: Vertex AI answers at a host that depends on the location, Claude beside Gemini', () => {
  const row = rowOf('vertex');
  const claude = row?.rules?.find((rule) => rule.match.test('claude-sonnet-4-5@20250929'));
  const at = (url: string | undefined, location: string) => {
    const filled = fillIn(url ?? '', row?.variables ?? {}, { given: { project: 'p', location }, env: {} });
    return filled.ok ? filled.text : filled.missing;
  };
  assert.equal(at(row?.baseUrl, 'global'), 'https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global');
  assert.equal(at(row?.baseUrl, 'us-central1'), 'https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-central1');
  assert.equal(claude?.speaks?.wire, 'anthropic-messages');
  assert.equal(at(claude?.baseUrl, 'eu'), 'https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu');
  assert.equal(
    row?.rules?.find((rule) => rule.match.test('gemini-3-pro')),
    undefined,
  );
});

/** Names of models, and what the first rule that fits makes of them. */
function ruleFor(row: string, model: string): Spoken | undefined {
  const found = rowOf(row);
  return found?.rules?.find((rule) => rule.match.test(model))?.speaks ?? found?.speaks;
}

test("catalog: OpenAI's models are asked where they answer with tools and thoughts", () => {
  const responses =
    'o1-pro o3-pro-2025-06-10 gpt-5-pro gpt-5.2-pro gpt-5-codex gpt-5.1-codex-max o4-mini-deep-research computer-use-preview codex-mini-latest ' +
    'gpt-5.4 gpt-5.4-mini-2026-03-17 gpt-5.5 gpt-5.6-sol gpt-6-luna gpt-6.1-terra gpt-daybreak-red-latest';
  const chat =
    'gpt-4o gpt-4.1-mini gpt-5 gpt-5.1 gpt-5.2 gpt-5-mini gpt-5.3-chat-latest o3 o4-mini gpt-4o-search-preview gpt-4o-audio-preview gpt-audio ' +
    'ft:gpt-4o:promo::1 chat-latest';
  for (const row of ['openai', 'azure']) {
    for (const model of responses.split(' ')) assert.equal(ruleFor(row, model)?.wire, 'openai-responses', model);
    for (const model of chat.split(' ')) assert.equal(ruleFor(row, model)?.wire, 'openai-chat', model);
  }
});

test('catalog: open models on Vertex AI are asked for chat completions, Gemini is not', () => {
  assert.equal(ruleFor('vertex', 'meta/llama-4-maverick-17b-128e-instruct-maas')?.wire, 'openai-chat');
  assert.equal(ruleFor('vertex', 'gemini-3.5-flash')?.wire, 'gemini');
  assert.equal(ruleFor('vertex', 'google/gemini-3.5-flash')?.wire, 'gemini');
});

test('catalog: models on Bedrock are told to think in the way of their generation', () => {
  const form = (model: string) => {
    const spoken = ruleFor('bedrock', model);
    assert.equal(spoken?.wire, 'bedrock-converse');
    return spoken?.wire === 'bedrock-converse' ? spoken.quirks?.reasoning?.form : undefined;
  };
  assert.equal(form('us.anthropic.claude-3-7-sonnet-20250219-v1:0'), 'budget');
  assert.equal(form('anthropic.claude-sonnet-4-20250514-v1:0'), 'budget');
  assert.equal(form('global.anthropic.claude-sonnet-4-5-20250929-v1:0'), 'budget');
  assert.equal(form('global.anthropic.claude-opus-4-6-v1'), 'adaptive');
  assert.equal(form('arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5'), 'adaptive');
  assert.equal(form('anthropic.claude-3-5-sonnet-20240620-v1:0'), undefined);
  assert.equal(form('us.amazon.nova-2-lite-v1:0'), 'config');
  assert.equal(form('amazon.nova-pro-v1:0'), undefined);
  assert.equal(form('openai.gpt-oss-120b-1:0'), 'field');
  assert.equal(form('us.openai.gpt-5.6-sol'), 'object');
  assert.equal(form('meta.llama3-3-70b-instruct-v1:0'), undefined);
});

test('catalog: rules are asked in order, and none is hidden by one before it', () => {
  const models: Readonly<Record<string, string>> = {
    mistral: 'zai-glm-5-3 mistral-large-4',
    xai: 'grok-4.20-multi-agent grok-4.20-reasoning',
    moonshot: 'kimi-k3 kimi-k2.7-code moonshot-v1-8k',
    alibaba: 'qwen3.7-max qwen3.6-plus',
    groq: 'qwen/qwen3.8-27b llama-3.3-70b-versatile',
    together: 'openai/gpt-oss-20b deepseek-ai/DeepSeek-V4-Pro',
    cerebras: 'gpt-oss-120b',
    zhipu: 'glm-5.3',
  };
  for (const [id, names] of Object.entries(models)) {
    const rules = rowOf(id)?.rules ?? [];
    assert.deepEqual(
      names.split(' ').map((name) => rules.findIndex((rule) => rule.match.test(name))),
      rules.map((_, index) => index),
      id,
    );
  }
});

test('catalog: on Bedrock, Kimi writes its thoughts into its text, as the older Nova do', () => {
  for (const [model, raw] of [
    ['moonshot.kimi-k2-thinking', true],
    ['us.amazon.nova-pro-v1:0', true],
    ['us.amazon.nova-2-lite-v1:0', undefined],
  ] as const) {
    const spoken = ruleFor('bedrock', model);
    assert.equal(spoken?.wire === 'bedrock-converse' ? spoken.quirks?.rawThinking : 'no rule', raw, model);
  }
});
