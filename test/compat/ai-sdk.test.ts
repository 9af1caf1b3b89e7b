/** The AI SDK with its provider for compatible servers, on the built-in model. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { MODEL, idle, startLiveServer } from '../support/live-server.ts';

const server = await startLiveServer();
after(() => server.close());

const provider = createOpenAICompatible({
  name: 'parlance',
  baseURL: `${server.url}/v1`,
  apiKey: 'any',
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const base = { model: provider(MODEL), prompt: 'Say hello.', temperature: 0, maxOutputTokens: 24, maxRetries: 0 };

const City = z.object({ city: z.string().max(16) });

test('ai sdk: generateText gives text, usage and the reason of the end', async () => {
  const { text, usage, finishReason, finalStep } = await generateText(base);
  assert.ok(text.length > 0);
  assert.ok((usage.inputTokens ?? 0) > 0 && (usage.outputTokens ?? 0) > 0);
  assert.match(finishReason, /^(stop|length)$/);
  assert.equal(finalStep.response.modelId, MODEL);
});

test('ai sdk: streamText says what generateText says, with usage', async () => {
  const whole = await generateText(base);
  const stream = streamText(base);
  let text = '';
  for await (const part of stream.textStream) text += part;
  assert.equal(text, whole.text);
  assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
  assert.equal(await stream.finishReason, whole.finishReason);
});

test('ai sdk: a tool runs, and the next step knows its result', async () => {
  const inputs: unknown[] = [];
  const getWeather = tool({
    description: 'Weather of a city',
    inputSchema: City,
    execute: (input) => {
      inputs.push(input);
      return { sky: 'clear' };
    },
  });
  const asked = {
    ...base,
    maxOutputTokens: 80,
    tools: { get_weather: getWeather },
    toolChoice: { type: 'tool', toolName: 'get_weather' } as const,
    stopWhen: stepCountIs(2),
    prepareStep: ({ stepNumber }: { stepNumber: number }) => (stepNumber === 0 ? {} : { toolChoice: 'none' as const }),
  };
  const { steps } = await generateText(asked);
  assert.equal(inputs.length, 1);
  assert.ok(City.safeParse(inputs[0]).success);
  assert.equal(steps[0]?.toolCalls[0]?.toolName, 'get_weather');
  assert.equal(steps[1]?.toolCalls.length, 0);

  const stream = streamText({ ...asked, stopWhen: stepCountIs(1) });
  const seen = new Set<string>();
  for await (const part of stream.stream) seen.add(part.type);
  for (const type of ['tool-input-start', 'tool-input-delta', 'tool-input-end', 'tool-call', 'tool-result', 'finish']) {
    assert.ok(seen.has(type), `${type} is missing among ${[...seen].join(', ')}`);
  }
  assert.equal(inputs.length, 2);
});

test('ai sdk: Output.object gives a value of the schema, whole and in parts', async () => {
  const schema = z.object({ name: z.string().max(12), kind: z.enum(['cat', 'dog']) });
  const asked = { ...base, prompt: 'Invent a pet.', maxOutputTokens: 120, output: Output.object({ schema, name: 'pet' }) };
  const { output } = await generateText(asked);
  assert.ok(schema.safeParse(output).success);
  const stream = streamText(asked);
  let parts = 0;
  for await (const part of stream.partialOutputStream) parts += part ? 1 : 0;
  assert.ok(parts > 1);
  assert.deepEqual(await stream.output, output);
});

test('ai sdk: an abort stops the generation', async () => {
  const from = server.log.length;
  const stop = new AbortController();
  // it does not end by itself
  const providerOptions = { parlance: { logit_bias: { 0: -100, 2: -100 } } };
  const stream = streamText({ ...base, prompt: 'Write a story.', maxOutputTokens: 800, providerOptions, abortSignal: stop.signal });
  for await (const part of stream.textStream) if (part !== '') stop.abort();
  await server.until(idle);
  const line = await server.logged(({ msg, route }) => msg === 'request' && route === '/v1/chat/completions', from);
  assert.equal(line['outcome'], 'cancelled');
});

test('ai sdk: a failure carries status and message', async () => {
  await assert.rejects(generateText({ ...base, model: provider('nobody') }), (error) => {
    assert.ok(APICallError.isInstance(error), String(error));
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /nobody/);
    return true;
  });
});
