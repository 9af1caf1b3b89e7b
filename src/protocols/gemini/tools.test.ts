import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createFolder } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { answered, clock, gemini, ignored, prepare, sent, vertex, weather } from './testing.ts';
import type { Body, Target } from './testing.ts';

const older = gemini('gemini-2.5-flash');
const tools = [weather, clock];
const schema = { type: 'object', properties: { a: { const: 1 } }, required: ['a'], additionalProperties: false };
const format = { type: 'json_schema', json_schema: { name: 'reply', schema, strict: true } };

const calling = (body: Body, target?: Target) => sent({ tools, ...body }, target).toolConfig?.functionCallingConfig;

/** What a client gets of these parts. */
function told(parts: readonly unknown[], body: Body, target: Target) {
  const prepared = prepare(body, target);
  const folder = createFolder();
  const events = prepared.reshape.reduce((now, make) => make().push(now), unfoldedOf(prepared.response(answered(parts)).response));
  folder.push(events);
  return folder.end().choices[0];
}

type Unfolded = readonly ReturnType<typeof unfold>[number][];
const unfoldedOf = (response: Parameters<typeof unfold>[0]): Unfolded => unfold(response);

describe('gemini: functions', () => {
  test('declarations carry a JSON Schema, and none where there are no arguments', () => {
    assert.deepEqual(sent({ tools }).tools, [
      {
        functionDeclarations: [
          {
            name: 'get_weather',
            description: 'Weather of a city.',
            parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          },
          { name: 'get_time' },
        ],
      },
    ]);
  });

  test('every choice has its mode', () => {
    assert.deepEqual(calling({}), { mode: 'AUTO' });
    assert.deepEqual(calling({ tool_choice: 'none' }), { mode: 'NONE' });
    assert.deepEqual(calling({ tool_choice: 'required' }), { mode: 'ANY' });
    const named = { type: 'function', function: { name: 'get_time' } };
    assert.deepEqual(calling({ tool_choice: named }), { mode: 'ANY', allowedFunctionNames: ['get_time'] });
    const some = (mode: string) => ({ type: 'allowed_tools', allowed_tools: { mode, tools: [named] } });
    assert.deepEqual(calling({ tool_choice: some('auto') }), { mode: 'VALIDATED', allowedFunctionNames: ['get_time'] });
    assert.deepEqual(calling({ tool_choice: some('required') }), { mode: 'ANY', allowedFunctionNames: ['get_time'] });
  });

  test('strict functions are held to their schemas', () => {
    const strict = { type: 'function', function: { ...weather.function, strict: true } };
    assert.deepEqual(calling({ tools: [strict] }), { mode: 'VALIDATED' });
  });

  test('calls cannot be kept to one at a time', () => {
    assert.deepEqual(ignored({ tools, parallel_tool_calls: false }), ['parallel_tool_calls']);
    assert.deepEqual(ignored({ tools, parallel_tool_calls: true }), []);
    assert.deepEqual(ignored({ functions: [weather.function] }), []);
  });

  test('a custom tool is a function, and its calls are custom again', () => {
    const custom = { type: 'custom', custom: { name: 'sh', description: 'Runs it.' } };
    const body = { tools: [custom] };
    const [declared] = (sent(body).tools?.[0]?.['functionDeclarations'] ?? []) as { parametersJsonSchema: { properties: object } }[];
    assert.deepEqual(Object.keys(declared?.parametersJsonSchema.properties ?? {}), ['input']);
    const choice = told([{ functionCall: { name: 'sh', args: { input: 'ls' } } }], body, gemini());
    const [call] = choice?.blocks ?? [];
    assert.ok(call?.type === 'tool_call');
    assert.deepEqual([call.kind, call.name, call.input], ['custom', 'sh', 'ls']);
  });

  test('arguments are streamed where the row asks for it, and only in streams', () => {
    const target = vertex('gemini-3.5-flash', { streamArguments: true });
    assert.deepEqual(calling({ stream: true }, target), { mode: 'AUTO', streamFunctionCallArguments: true });
    assert.deepEqual(calling({}, target), { mode: 'AUTO' });
  });
});

describe('gemini: answers in JSON', () => {
  const cleaned = { type: 'object', properties: { a: { enum: [1] } }, required: ['a'], additionalProperties: false };

  test('are asked for by their schema, or as any object', () => {
    assert.deepEqual(sent({ response_format: format }, older).generationConfig, {
      responseMimeType: 'application/json',
      responseJsonSchema: cleaned,
      thinkingConfig: { includeThoughts: true },
    });
    assert.equal(sent({ response_format: { type: 'json_object' } }).generationConfig?.['responseMimeType'], 'application/json');
  });

  test('stand beside functions since Gemini 3', () => {
    const body = sent({ response_format: format, tools });
    assert.deepEqual(body.toolConfig, { functionCallingConfig: { mode: 'AUTO' } });
    assert.deepEqual(body.generationConfig?.['responseJsonSchema'], cleaned);
  });

  test('are left out where a call is forced: that mode is refused beside JSON, and the answer is a call', () => {
    const body = { response_format: format, tools, tool_choice: 'required' };
    assert.equal(sent(body).generationConfig?.['responseMimeType'], undefined);
    assert.deepEqual(ignored(body), []);
  });

  test('are one more function beside functions before Gemini 3, whose call is the content', () => {
    const body = { response_format: format, tools };
    const out = sent(body, older);
    const declared = out.tools?.[0]?.['functionDeclarations'] as { name: string; parametersJsonSchema?: unknown }[];
    assert.deepEqual(
      declared.map(({ name }) => name),
      ['get_weather', 'get_time', 'answer_reply'],
    );
    assert.deepEqual(declared[2]?.parametersJsonSchema, cleaned);
    const names = ['get_weather', 'get_time', 'answer_reply'];
    assert.deepEqual(out.toolConfig, { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: names } });
    assert.equal(out.generationConfig?.['responseMimeType'], undefined);
    const answer = told([{ functionCall: { name: 'answer_reply', args: { a: 1 } } }], body, older);
    assert.deepEqual(answer, { blocks: [{ type: 'text', text: '{"a":1}' }], reason: 'stop' });
    assert.equal(told([{ functionCall: { name: 'get_time' } }], body, older)?.reason, 'tool_calls');
  });

  test('that function has a name of its own', () => {
    const taken = { type: 'function', function: { name: 'answer_reply', parameters: schema } };
    const names = calling({ tools: [taken], response_format: format }, older)?.['allowedFunctionNames'];
    assert.deepEqual(names, ['answer_reply', 'answer_reply_']);
  });

  test('before Gemini 3 functions that may not be called make room, and any JSON beside functions is ignored', () => {
    const none = sent({ response_format: format, tools, tool_choice: 'none' }, older);
    assert.equal(none.tools, undefined);
    assert.deepEqual(none.generationConfig?.['responseJsonSchema'], cleaned);
    assert.deepEqual(ignored({ response_format: { type: 'json_object' }, tools }, older), ['response_format']);
  });

  test('are a function where the model has none', () => {
    const target = gemini('gemini-3.5-flash', { facts: { structuredOutput: false } });
    assert.deepEqual(calling({ tools: [], response_format: format }, target), { mode: 'ANY', allowedFunctionNames: ['answer_reply'] });
  });
});

describe('gemini: searches', () => {
  const search = { web_search_options: {} };

  test('are a tool of the provider', () => {
    assert.deepEqual(sent(search, older).tools, [{ googleSearch: {} }]);
    assert.deepEqual(ignored(search, older), []);
    const more = {
      web_search_options: { search_context_size: 'high', user_location: { type: 'approximate', approximate: { city: 'Rome' } } },
    };
    assert.deepEqual(ignored(more), ['web_search_options.user_location', 'web_search_options.search_context_size']);
  });

  test('stand beside functions since Gemini 3, which the Gemini API wants to be told', () => {
    const out = sent({ ...search, tools });
    assert.deepEqual(
      out.tools?.map((tool) => Object.keys(tool)[0]),
      ['googleSearch', 'functionDeclarations'],
    );
    assert.deepEqual(out.toolConfig, { functionCallingConfig: { mode: 'VALIDATED' }, includeServerSideToolInvocations: true });
    assert.deepEqual(sent({ ...search, tools }, vertex()).toolConfig, { functionCallingConfig: { mode: 'VALIDATED' } });
  });

  test('make room before Gemini 3', () => {
    assert.deepEqual(ignored({ ...search, tools }, older), ['web_search_options']);
    assert.deepEqual(ignored({ ...search, response_format: format }, older), ['web_search_options']);
    assert.deepEqual(sent({ ...search, tools, tool_choice: 'none' }, older).tools, [{ googleSearch: {} }]);
    assert.deepEqual(ignored(search, gemini('gemma-3-27b-it')), ['web_search_options']);
  });
});
