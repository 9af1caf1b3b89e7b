import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextPageOf, parseListing } from './listing.ts';

test('listing: Anthropic pages by the last id', () => {
  const page = {
    data: [
      {
        type: 'model',
        id: 'claude-opus-5',
        display_name: 'Claude Opus 5',
        created_at: '2026-06-01T00:00:00Z',
        max_input_tokens: 1_000_000,
        max_tokens: 128_000,
        capabilities: {
          thinking: { supported: true },
          structured_outputs: { supported: true },
          image_input: { supported: true },
          pdf_input: { supported: true },
        },
      },
    ],
    has_more: true,
    last_id: 'claude-opus-5',
  };
  assert.deepEqual(parseListing('anthropic', page), [
    {
      id: 'claude-opus-5',
      name: 'Claude Opus 5',
      created: 1_780_272_000,
      ownedBy: 'anthropic',
      contextWindow: 1_000_000,
      maxOutputTokens: 128_000,
      capabilities: { structuredOutput: true, reasoning: true, inputModalities: ['text', 'image', 'file'] },
    },
  ]);
  const first = 'https://api.anthropic.com/v1/models?limit=1000';
  const second = nextPageOf('anthropic', page, first);
  assert.equal(second, 'https://api.anthropic.com/v1/models?limit=1000&after_id=claude-opus-5');
  assert.equal(nextPageOf('anthropic', { data: [], has_more: false, last_id: 'x' }, first), undefined);
  // the same page again is no next page
  assert.equal(nextPageOf('anthropic', page, second ?? ''), undefined);
});

test('listing: Gemini names methods and limits, Google Cloud names only', () => {
  const page = {
    models: [
      {
        name: 'models/gemini-2.5-flash',
        displayName: 'Gemini 2.5 Flash',
        inputTokenLimit: 1_048_576,
        outputTokenLimit: 65_536,
        supportedGenerationMethods: ['generateContent', 'countTokens'],
        thinking: true,
      },
      { name: 'models/gemini-embedding-001', supportedGenerationMethods: ['embedContent'] },
      { name: 'models/gemini-2.5-flash-preview-tts', supportedGenerationMethods: ['generateContent'] },
      { name: 'models/veo-3.1', supportedGenerationMethods: ['predictLongRunning'] },
    ],
    nextPageToken: 'more',
  };
  assert.deepEqual(parseListing('gemini', page), [
    {
      id: 'gemini-2.5-flash',
      name: 'Gemini 2.5 Flash',
      ownedBy: 'google',
      contextWindow: 1_048_576,
      maxOutputTokens: 65_536,
      capabilities: { reasoning: true },
    },
  ]);
  assert.equal(
    nextPageOf('gemini', page, 'https://g.example/v1beta/models?pageSize=2'),
    'https://g.example/v1beta/models?pageSize=2&pageToken=more',
  );
  assert.equal(nextPageOf('gemini', {}, 'https://g.example/v1beta/models'), undefined);
  const cloud = {
    publisherModels: [{ name: 'publishers/google/models/gemini-3.5-flash' }, { name: 'publishers/google/models/imagen-4.0' }],
  };
  assert.deepEqual(
    parseListing('gemini', cloud).map(({ id }) => id),
    ['gemini-3.5-flash'],
  );
});

test('listing: Cohere names endpoints and features', () => {
  const page = {
    models: [
      {
        name: 'command-a-03-2025',
        endpoints: ['generate', 'chat'],
        context_length: 256_000,
        features: ['json_mode', 'json_schema', 'tools', 'logprobs'],
      },
      { name: 'embed-v4.0', endpoints: ['embed'] },
      { name: 'command-old', endpoints: ['chat'], is_deprecated: true },
    ],
    next_page_token: 't',
  };
  assert.deepEqual(parseListing('cohere', page), [
    {
      id: 'command-a-03-2025',
      ownedBy: 'cohere',
      contextWindow: 256_000,
      capabilities: { tools: true, structuredOutput: true, logprobs: true, reasoning: false, inputModalities: ['text'] },
    },
  ]);
  assert.equal(
    nextPageOf('cohere', page, 'https://c.example/v1/models?endpoint=chat'),
    'https://c.example/v1/models?endpoint=chat&page_token=t',
  );
});

test('listing: Bedrock goes from the models that are called by their own id to the profiles by which the others are', () => {
  const models = {
    modelSummaries: [
      {
        modelId: 'amazon.nova-lite-v1:0',
        modelName: 'Nova Lite',
        providerName: 'Amazon',
        inputModalities: ['TEXT', 'IMAGE', 'VIDEO'],
        outputModalities: ['TEXT'],
        inferenceTypesSupported: ['ON_DEMAND'],
        modelLifecycle: { status: 'ACTIVE' },
      },
      { modelId: 'anthropic.claude-opus-5', outputModalities: ['TEXT'], inferenceTypesSupported: ['INFERENCE_PROFILE'] },
      { modelId: 'amazon.titan-embed-text-v2:0', outputModalities: ['EMBEDDING'], inferenceTypesSupported: ['ON_DEMAND'] },
      { modelId: 'meta.old', outputModalities: ['TEXT'], inferenceTypesSupported: ['ON_DEMAND'], modelLifecycle: { status: 'LEGACY' } },
    ],
  };
  assert.deepEqual(parseListing('bedrock', models), [
    {
      id: 'amazon.nova-lite-v1:0',
      name: 'Nova Lite',
      ownedBy: 'amazon',
      capabilities: { inputModalities: ['text', 'image', 'video'], outputModalities: ['text'] },
    },
  ]);
  const arn = 'arn:aws:bedrock:us-east-1:1:application-inference-profile/abc';
  const profiles = {
    inferenceProfileSummaries: [
      {
        inferenceProfileId: 'us.anthropic.claude-opus-5',
        inferenceProfileName: 'US Claude Opus 5',
        status: 'ACTIVE',
        type: 'SYSTEM_DEFINED',
      },
      { inferenceProfileId: 'abc', inferenceProfileArn: arn, status: 'ACTIVE', type: 'APPLICATION' },
      {
        inferenceProfileId: 'us.x.embed',
        status: 'ACTIVE',
        models: [{ modelArn: 'arn:aws:bedrock:us-east-1::foundation-model/x.embed-v1' }],
      },
    ],
    nextToken: 'n',
  };
  assert.deepEqual(
    parseListing('bedrock', profiles).map(({ id }) => id),
    ['us.anthropic.claude-opus-5', arn],
  );
  const second = nextPageOf('bedrock', models, 'https://bedrock.eu-west-1.amazonaws.com/foundation-models');
  assert.equal(second, 'https://bedrock.eu-west-1.amazonaws.com/inference-profiles?maxResults=1000');
  assert.equal(nextPageOf('bedrock', profiles, second), `${second}&nextToken=n`);
  assert.equal(nextPageOf('bedrock', {}, `${second}&nextToken=n`), undefined);
});

test('listing: anything at all in the body is no crash, and what comes of it has a name', () => {
  const formats = ['openai', 'anthropic', 'gemini', 'cohere', 'bedrock'] as const;
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.record({
      data: fc.array(
        fc.dictionary(
          fc.constantFrom('id', 'name', 'pricing', 'capabilities', 'providers', 'created', 'aliases', 'architecture'),
          fc.jsonValue(),
        ),
      ),
    }),
    fc.record({
      models: fc.array(
        fc.record({ name: fc.jsonValue(), endpoints: fc.jsonValue(), supportedGenerationMethods: fc.constant(['generateContent']) }),
      ),
    }),
    fc.record({ modelSummaries: fc.jsonValue(), inferenceProfileSummaries: fc.jsonValue(), nextToken: fc.jsonValue() }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...formats), odd, (as, body) => {
      for (const model of parseListing(as, body)) {
        assert.ok(typeof model.id === 'string' && model.id !== '');
        assert.ok(Object.values(model).every((value) => value !== undefined));
      }
      const next = nextPageOf(as, body, 'https://x.example/foundation-models');
      assert.ok(next === undefined || URL.canParse(next));
    }),
    { numRuns: 300 },
  );
  assert.equal(nextPageOf('gemini', { nextPageToken: 'x' }, 'no address'), undefined);
});
