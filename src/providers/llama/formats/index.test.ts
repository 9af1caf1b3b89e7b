import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { getLlama, readGgufFileInfo } from 'node-llama-cpp';
import type { ChatRequest, Message, Tool, ToolCallBlock, ToolChoice } from '../../../core/chat.ts';
import { GatewayError } from '../../../core/error.ts';
import { describeTraits, planChat } from './index.ts';
import * as known from './known-templates.fixture.ts';
import { shortId } from './messages.ts';
import type { ChatPlan, ModelTraits } from './plan.ts';

interface Renderer {
  render(variables: Readonly<Record<string, unknown>>): string;
}
interface Bindings {
  readonly AddonJinjaRenderer: new (template: string) => Renderer;
  readonly AddonGrammar: new (
    gbnf: string,
    options: { readonly addonExports: Bindings; readonly rootRuleName: string },
  ) => { isTextCompatible(text: string): boolean };
}
const llama = await getLlama({ build: 'never', skipDownload: true, gpu: false });
const bindings: Bindings = Reflect.get(llama, '_bindings');

const traitsOf = (template: string): ModelTraits => ({ template, bosToken: '<s>', eosToken: '</s>', architecture: 'llama' });

function render(plan: ChatPlan, traits: ModelTraits): string {
  const { messages, tools, variables } = plan.render;
  return new bindings.AddonJinjaRenderer(plan.template ?? traits.template).render({
    ...variables,
    messages,
    ...(tools ? { tools } : {}),
    add_generation_prompt: true,
    bos_token: traits.bosToken,
    eos_token: traits.eosToken,
  });
}

function fits(plan: ChatPlan, text: string): boolean {
  assert.ok(plan.grammar, 'there is a grammar');
  return new bindings.AddonGrammar(plan.grammar.gbnf, { addonExports: bindings, rootRuleName: 'root' }).isTextCompatible(text);
}

const text = (role: Message['role'], content: string): Message => ({ role, blocks: [{ type: 'text', text: content }] });
const toolCall = (id: string, name: string, input: string): ToolCallBlock => ({ type: 'tool_call', id, kind: 'function', name, input });
const result = (id: string, name: string, content: string): Message => ({ ...text('tool', content), toolCallId: id, toolName: name });

const WEATHER: Tool = {
  kind: 'function',
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  strict: true,
  at: 'tools[0].function',
};
const NOW: Tool = { kind: 'function', name: 'now', strict: false, at: 'tools[1].function' };

const hermes = traitsOf(known.QWEN25);
const GOOD = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Ulm"}}\n</tool_call>';
const TIME = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>';

const request = (changes: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'm',
  messages: [text('user', 'Weather in Ulm?')],
  sampling: {},
  n: 1,
  stop: [],
  tools: [],
  toolChoice: { mode: 'auto' },
  parallelToolCalls: true,
  responseFormat: { type: 'text' },
  stream: false,
  includeUsage: false,
  legacyFunctions: false,
  extras: [],
  raw: {},
  ...changes,
});

const CONVERSATION: readonly Message[] = [
  text('system', 'Be brief.'),
  text('developer', 'Use metric units.'),
  text('user', 'Weather in Ulm, and the time?'),
  { role: 'assistant', blocks: [toolCall('call_1', 'get_weather', '{"city":"Ulm"}'), toolCall('call_2', 'now', '{}')] },
  result('call_1', 'get_weather', 'sunny-7'),
  result('call_2', 'now', 'noon-8'),
  text('assistant', 'Sunny, noon.'),
  text('user', 'And in Bonn?'),
];

const FAMILIES: Readonly<Record<string, readonly [template: string, reasoning: boolean]>> = {
  hermes: [known.QWEN25, false],
  'qwen-coder': [known.QWEN_CODER, false],
  'llama-3': [known.LLAMA3, false],
  mistral: [known.MISTRAL, false],
  'mistral-args': [known.MISTRAL_ARGS, false],
  'deepseek-r1': [known.DEEPSEEK_R1_FILE, true],
  'deepseek-v3.1': [known.DEEPSEEK_V31, true],
  harmony: [known.HARMONY, true],
  'phi-4': [known.PHI4, false],
};

for (const [family, [template, reasoning]] of Object.entries(FAMILIES)) {
  test(`${family}: recognised from its template`, () => {
    assert.deepEqual(describeTraits(traitsOf(template)), { family, tools: 'native', reasoning });
  });

  test(`${family}: a conversation with calls and results renders whole`, () => {
    const plan = planChat(request({ messages: CONVERSATION, tools: [WEATHER, NOW] }), traitsOf(template));
    const prompt = render(plan, traitsOf(template));
    const order = ['Weather in Ulm, and', 'sunny-7', 'noon-8', 'Sunny, noon.', 'And in Bonn?'].map((part) => prompt.indexOf(part));
    assert.ok(!order.includes(-1), prompt);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
    for (const part of ['Be brief.', 'Use metric units.', 'Weather of a city', 'get_weather'])
      assert.ok(prompt.includes(part), `${part} in ${prompt}`);
    assert.match(prompt, /"city": ?"Ulm"|<parameter=city>\nUlm\n/);
    assert.ok(!/\[object|\bnull\b|undefined/.test(prompt), prompt);
    assert.deepEqual(plan.ignored, []);
  });

  test(`${family}: what its own template writes for calls, its grammar takes and its parser reads`, () => {
    const traits = traitsOf(template);
    const messages = [
      text('user', 'Weather?'),
      { role: 'assistant' as const, blocks: [toolCall('abcDEF123', 'get_weather', '{"city":"Ulm"}')] },
    ];
    const before = request({ tools: [WEATHER], messages: messages.slice(0, 1) });
    const whole = render(planChat(request({ tools: [WEATHER], messages, toolChoice: { mode: 'required' } }), traits), traits);
    const start = whole.search(
      /<tool_call>|<\|tool_call\|>|\{"name": "get_weather", "parameters": \{"|\[TOOL_CALLS\]|<｜tool▁calls▁begin｜>(?!.*<｜tool▁calls▁begin｜>)| to=functions/s,
    );
    const last = Math.max(start, whole.lastIndexOf(/<tool_call>|<\|tool_call\|>/.exec(whole.slice(start))?.[0] ?? '\0'));
    const output = whole.slice(last).split(/<\|im_end\|>|<\|end\|>|<\|eot_id\|>|<\/s>|<｜end▁of▁sentence｜>|<\|call\|>/)[0] ?? '';
    const thinking = family === 'deepseek-r1' ? 'Hm.</think>' : '';
    const forced = planChat({ ...before, toolChoice: { mode: 'required' } }, traits);
    assert.ok(fits(forced, thinking + output), `${thinking}${output}\n${forced.grammar?.gbnf}`);
    assert.ok(!fits(forced, `${thinking}Sunny.`));
    assert.ok(!fits(forced, `${thinking}${output.replace('city', 'town')}`), 'a member that the schema does not have');
    const lazy = planChat(before, traits);
    const trigger = lazy.grammar?.triggers?.find((one) => output.includes(one));
    assert.ok(trigger !== undefined, `${output} has none of ${lazy.grammar?.triggers?.join(' ')}`);
    assert.ok(fits(lazy, output.slice(output.indexOf(trigger))));
    const parser = lazy.parser();
    const parts = [...parser.push(thinking + output), ...parser.end(true)].filter((part) => part.type.startsWith('tool'));
    assert.equal(parts[0]?.type === 'tool_start' && parts[0].name, 'get_weather');
    assert.deepEqual(JSON.parse(parts.map((part) => (part.type === 'tool_delta' ? part.text : '')).join('')), { city: 'Ulm' });
  });
}

test('rarer families are recognised by their marks, and only where the template takes tools', () => {
  const using = (marks: string): string => `{% for tool in tools %}{{ tool | tojson }}{% endfor %}${marks}`;
  const families = {
    nemotron: '<TOOLCALL>[{"name": ""}]</TOOLCALL>',
    granite: "{{ '<|start_of_role|>assistant<|end_of_role|><|tool_call|>' }}",
    functionary: '<function=name>{}</function>',
    'qwen-coder': '<tool_call>\n<function=name>\n<parameter=x>\n1\n</parameter>\n</function>\n</tool_call>',
  };
  for (const [family, marks] of Object.entries(families)) {
    assert.equal(describeTraits(traitsOf(using(marks))).family, family);
    assert.equal(describeTraits(traitsOf(marks)).family, 'generic');
  }
});

test('128 tools after reasoning: the last one can be called', () => {
  const tools = Array.from({ length: 128 }, (_, index): Tool => ({ ...WEATHER, name: `get_weather_${index}` }));
  const plan = planChat(request({ tools, toolChoice: { mode: 'required' } }), traitsOf(known.QWQ));
  assert.ok(fits(plan, `Hm.</think>${GOOD.replace('get_weather', 'get_weather_127')}`));
});

test('a template with calls in an unknown notation is told in words', () => {
  assert.deepEqual(describeTraits(traitsOf(known.GLM)), { family: 'generic', tools: 'generic', reasoning: true });
  const plan = planChat(request({ messages: CONVERSATION, tools: [WEATHER, NOW] }), traitsOf(known.GLM));
  assert.equal(plan.render.tools, undefined);
  assert.match(render(plan, traitsOf(known.GLM)), /<tool_response>\n\{"name":"get_weather","content":"sunny-7"\}/);
});

test('a template without a system role gets it in the first user turn, and alternating roles', () => {
  const plan = planChat(request({ messages: [...CONVERSATION, text('user', 'Please.')], tools: [WEATHER, NOW] }), traitsOf(known.GEMMA2));
  const prompt = render(plan, traitsOf(known.GEMMA2));
  assert.match(prompt, /^<s><start_of_turn>user\nBe brief\.\n\nUse metric units\./);
  for (const part of ['Weather of a city', '<tool_call>', 'sunny-7', 'noon-8', 'And in Bonn?\n\nPlease.'])
    assert.ok(prompt.includes(part), part);
});

const info = await readGgufFileInfo(
  fileURLToPath(new URL('../../../../models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf', import.meta.url)),
);
const BUILT_IN: ModelTraits = {
  template: String(Reflect.get(info.metadata.tokenizer, 'chat_template')),
  bosToken: '<|im_start|>',
  eosToken: '<|im_end|>',
  architecture: 'llama',
};

test('built-in model: tools, calls and results become plain turns, in order', () => {
  assert.deepEqual(describeTraits(BUILT_IN), { family: 'generic', tools: 'generic', reasoning: false });
  const prompt = render(planChat(request({ messages: CONVERSATION, tools: [WEATHER, NOW] }), BUILT_IN), BUILT_IN);
  assert.equal(prompt.match(/<\|im_start\|>system/g)?.length, 1);
  assert.match(prompt, /^<\|im_start\|>system\nBe brief\.\n\nUse metric units\.\n\nYou can call functions/);
  assert.match(
    prompt,
    /assistant\n<tool_call>\n\{"name":"get_weather","arguments":\{"city":"Ulm"\}\}\n<\/tool_call>\n<tool_call>\n\{"name":"now","arguments":\{\}\}\n<\/tool_call><\|im_end\|>/,
  );
  assert.match(
    prompt,
    /user\n<tool_response>\n\{"name":"get_weather","content":"sunny-7"\}\n<\/tool_response>\n<tool_response>\n\{"name":"now","content":"noon-8"\}\n<\/tool_response><\|im_end\|>/,
  );
  assert.ok(prompt.endsWith('user\nAnd in Bonn?<|im_end|>\n<|im_start|>assistant\n'));
});

test('built-in model: a plain conversation renders as it is', () => {
  const messages = [text('user', 'Hi'), text('assistant', 'Hello'), text('user', 'Bye')];
  const plan = planChat(request({ messages }), BUILT_IN);
  assert.match(render(plan, BUILT_IN), /user\nHi<\|im_end\|>\n<\|im_start\|>assistant\nHello<\|im_end\|>\n<\|im_start\|>user\nBye/);
  assert.equal(plan.grammar, undefined);
  assert.deepEqual(plan.formatStop, []);
});

test('a file without a template is rendered as ChatML', () => {
  const plan = planChat(request(), traitsOf(''));
  assert.equal(render(plan, traitsOf('')), '<|im_start|>user\nWeather in Ulm?<|im_end|>\n<|im_start|>assistant\n');
  assert.deepEqual(plan.formatStop, ['<|im_end|>']);
});

test('tool_choice none: tools are not shown, and marks are text', () => {
  const plan = planChat(request({ tools: [WEATHER], toolChoice: { mode: 'none' } }), hermes);
  assert.equal(plan.render.tools, undefined);
  assert.equal(plan.grammar, undefined);
  assert.deepEqual(plan.parser().push(GOOD), [{ type: 'text', text: GOOD, at: 0 }]);
});

test('tool_choice required: one call or more; named: exactly one, of that tool', () => {
  const required = planChat(request({ tools: [WEATHER, NOW], toolChoice: { mode: 'required' } }), hermes);
  assert.equal(required.grammar?.triggers, undefined);
  assert.ok(required.grammar?.suspendsStop);
  assert.ok(fits(required, GOOD) && fits(required, `${GOOD}\n${TIME}`));
  assert.ok(!fits(required, 'Sure.'));
  const named = planChat(request({ tools: [WEATHER, NOW], toolChoice: { mode: 'named', name: 'now' } }), hermes);
  assert.ok(fits(named, TIME));
  assert.ok(!fits(named, GOOD) && !fits(named, `${TIME}\n${TIME}`));
});

test('a tool that has to be called is told with the first letter, one of several or one that may be called is not', () => {
  const first = (toolChoice: ToolChoice, tools: Tool[] = [WEATHER, NOW]) =>
    planChat(request({ tools, toolChoice }), hermes).parser().push('<');
  assert.deepEqual(first({ mode: 'named', name: 'now' }), [{ type: 'tool_start', kind: 'function', name: 'now' }]);
  assert.deepEqual(first({ mode: 'required' }, [NOW]), [{ type: 'tool_start', kind: 'function', name: 'now' }]);
  assert.deepEqual(first({ mode: 'required' }), []);
  assert.deepEqual(first({ mode: 'auto' }, [NOW]), []);
});

test('parallel_tool_calls false: one call at most', () => {
  const plan = planChat(request({ tools: [WEATHER, NOW], toolChoice: { mode: 'required' }, parallelToolCalls: false }), hermes);
  assert.ok(fits(plan, GOOD) && !fits(plan, `${GOOD}\n${TIME}`));
});

test('allowed tools: all are shown, only these can be called', () => {
  const plan = planChat(request({ tools: [WEATHER, NOW], toolChoice: { mode: 'auto', names: ['now'] } }), hermes);
  assert.equal(plan.render.tools?.length, 2);
  assert.ok(fits(plan, TIME) && !fits(plan, GOOD));
  assert.equal(plan.parser().push(GOOD)[0]?.type, 'text');
});

test('a name that begins another one is told apart', () => {
  const tools: Tool[] = [NOW, { ...NOW, name: 'now_utc' }];
  const output = '<tool_call>\n{"name": "now_utc", "arguments": {}}\n</tool_call>';
  const plan = planChat(request({ tools, toolChoice: { mode: 'required' } }), hermes);
  assert.ok(fits(plan, output));
  assert.deepEqual(plan.parser().push(output)[0], { type: 'tool_start', kind: 'function', name: 'now_utc' });
});

test('response_format: JSON that fits the schema, told to the model', () => {
  const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'], additionalProperties: false };
  const plan = planChat(request({ responseFormat: { type: 'json_schema', name: 'answer', schema, strict: true } }), hermes);
  assert.ok(fits(plan, '{"ok":true}') && !fits(plan, '{"ok":1}') && !fits(plan, 'ok'));
  assert.equal(plan.grammar?.suspendsStop, false);
  assert.ok(render(plan, hermes).includes('{"type":"object","properties":{"ok":{"type":"boolean"}}}'));
  const free = planChat(request({ responseFormat: { type: 'json_object' } }), hermes);
  assert.ok(fits(free, '{"a": [1, {}]}') && !fits(free, '[1]'));
});

test('response_format with tools: a call or JSON, and stop strings are reported as without effect', () => {
  const plan = planChat(request({ responseFormat: { type: 'json_object' }, tools: [WEATHER], stop: ['x'] }), hermes);
  assert.ok(fits(plan, GOOD) && fits(plan, '{"a":1}') && !fits(plan, 'Hi'));
  assert.deepEqual(plan.ignored, ['stop']);
});

test('response_format of a reasoning model: reasoning first, and stop strings count after it', () => {
  const plan = planChat(request({ responseFormat: { type: 'json_object' } }), traitsOf(known.QWQ));
  assert.ok(fits(plan, 'Hm <b> </th\n</think>\n\n{"a":1}') && !fits(plan, '{"a":1}'));
  assert.equal(plan.stopAfter, '</think>');
  const harmony = planChat(request({ responseFormat: { type: 'json_object' } }), traitsOf(known.HARMONY));
  assert.ok(fits(harmony, '<|channel|>analysis<|message|>Hm <|e.<|end|><|start|>assistant<|channel|>final<|message|>{"a":1}'));
  assert.ok(fits(harmony, '<|channel|>final<|message|>{}') && !fits(harmony, '<|channel|>final<|message|>Hi'));
  assert.equal(harmony.stopAfter, '<|channel|>final<|message|>');
});

const opened = (plan: ChatPlan): boolean => plan.parser().push('Hm.')[0]?.type === 'reasoning';

test('reasoning: begun by the prompt, by a prefix, or not at all', () => {
  assert.ok(opened(planChat(request(), traitsOf(known.QWQ))));
  const qwen3 = planChat(request(), traitsOf(known.QWEN3));
  assert.ok(opened(qwen3));
  assert.ok(`${render(qwen3, traitsOf(known.QWEN3))}${qwen3.prefix}`.endsWith('assistant\n<think>\n'));
  const quiet = planChat(request({ reasoningEffort: 'none' }), traitsOf(known.QWEN3));
  assert.ok(!opened(quiet));
  assert.equal(quiet.prefix, '');
  assert.ok(render(quiet, traitsOf(known.QWEN3)).endsWith('<think>\n\n</think>\n\n'));
  assert.equal(planChat(request({ messages: [text('user', 'Hi /no_think')] }), traitsOf(known.QWEN3)).prefix, '');
  assert.ok(!opened(planChat(request(), traitsOf(known.QWEN25))));
});

test('reasoning that is off unless asked for', () => {
  for (const template of [known.QWEN35, known.DEEPSEEK_V31]) {
    const off = planChat(request(), traitsOf(template));
    assert.match(render(off, traitsOf(template)), /<\/think>\s*$/);
    assert.ok(!opened(off));
    const on = planChat(request({ reasoningEffort: 'high' }), traitsOf(template));
    assert.match(render(on, traitsOf(template)), /<think>\s*$/);
    assert.ok(opened(on));
  }
});

test('deepseek-r1: after a tool result the prompt opens no reasoning, and the parser knows', () => {
  const plan = planChat(request({ messages: CONVERSATION.slice(0, 6), tools: [WEATHER, NOW] }), traitsOf(known.DEEPSEEK_R1_FILE));
  assert.ok(render(plan, traitsOf(known.DEEPSEEK_R1_FILE)).endsWith('<｜tool▁outputs▁end｜>'));
  assert.ok(!opened(plan));
});

test('reasoning_effort: harmony gets its own word, a model without reasoning reports it', () => {
  const harmony = planChat(request({ reasoningEffort: 'max' }), traitsOf(known.HARMONY));
  assert.match(render(harmony, traitsOf(known.HARMONY)), /Reasoning: high/);
  assert.deepEqual(harmony.ignored, []);
  assert.deepEqual(planChat(request({ reasoningEffort: 'low', verbosity: 'low', extras: ['store'] }), hermes).ignored, [
    'store',
    'reasoning_effort',
    'verbosity',
  ]);
});

test('mistral: ids of any form become nine letters and digits, the same for a call and its result', () => {
  assert.match(shortId('call_abc'), /^[A-Za-z0-9]{9}$/);
  assert.equal(shortId('call_abc'), shortId('call_abc'));
  assert.notEqual(shortId('call_abc'), shortId('call_abd'));
  assert.equal(shortId('abcDEF123'), 'abcDEF123');
});

test('reasoning and names of earlier turns: kept where the template reads them, reported where not', () => {
  const messages: Message[] = [
    { ...text('user', 'Hi'), name: 'ann' },
    {
      role: 'assistant',
      blocks: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'Hello' },
      ],
    },
    text('user', 'Bye'),
  ];
  assert.deepEqual(planChat(request({ messages }), hermes).ignored, ['messages[0].name', 'messages[1].reasoning_content']);
  const kept = planChat(request({ messages }), traitsOf(known.QWEN3));
  assert.equal(kept.render.messages[1]?.['reasoning_content'], 'Hm.');
});

test('harmony: text and reasoning beside a call are both rendered, each call in its own message', () => {
  const messages: Message[] = [
    text('user', 'Weather?'),
    {
      role: 'assistant',
      blocks: [
        { type: 'reasoning', text: 'Hm-1' },
        { type: 'text', text: 'Pre-2' },
        toolCall('a', 'get_weather', '{}'),
        toolCall('b', 'now', '{}'),
      ],
    },
    result('b', 'now', 'noon'),
    result('a', 'get_weather', 'sunny'),
  ];
  const prompt = render(planChat(request({ messages, tools: [WEATHER, NOW] }), traitsOf(known.HARMONY)), traitsOf(known.HARMONY));
  assert.match(
    prompt,
    /Hm-1\n\nPre-2.*to=functions\.get_weather.*functions\.get_weather to=assistant.*sunny.*to=functions\.now.*functions\.now to=assistant.*noon/s,
  );
});

const refused = (changes: Partial<ChatRequest>, traits = hermes): GatewayError => {
  try {
    planChat(request(changes), traits);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error;
  }
  assert.fail('not refused');
};

test('parts that are no text are refused by place and model', () => {
  const image = { type: 'image' as const, url: 'data:image/png;base64,', at: 'messages[0].content[1]' };
  const error = refused({ messages: [{ role: 'user', blocks: [{ type: 'text', text: 'See' }, image] }] });
  assert.deepEqual([error.kind, error.param], ['unsupported_value', 'messages[0].content[1]']);
  assert.match(error.message, /"m".*messages\[0\]\.content\[1\].*image/);
});

test('a strict schema that cannot be enforced is refused by place and keyword', () => {
  const schema = { type: 'object', not: { required: ['a'] } };
  const error = refused({ responseFormat: { type: 'json_schema', name: 'x', schema, strict: true } });
  assert.equal(error.kind, 'invalid_json_schema');
  assert.match(error.param ?? '', /^response_format/);
  const relaxed = planChat(request({ responseFormat: { type: 'json_schema', name: 'x', schema, strict: false } }), hermes);
  assert.equal(relaxed.ignored.length, 1);
});

test('custom tools: free text in and out; a regular expression is held to; Lark is refused', () => {
  const custom: Tool = { kind: 'custom', name: 'sql', at: 'tools[0].custom' };
  const output = '<tool_call>\n{"name": "sql", "arguments": {"input": "select \\"a\\""}}\n</tool_call>';
  const plan = planChat(request({ tools: [custom] }), hermes);
  assert.ok(fits(plan, output));
  const parser = plan.parser();
  assert.deepEqual(
    [...parser.push(output), ...parser.end(true)],
    [{ type: 'tool_start', kind: 'custom', name: 'sql' }, { type: 'tool_delta', text: 'select "a"' }, { type: 'tool_end' }],
  );
  const digits = planChat(request({ tools: [{ ...custom, grammar: { syntax: 'regex', definition: '[0-9]{2}' } }] }), hermes);
  assert.ok(fits(digits, output.replace('select \\"a\\"', '42')) && !fits(digits, output));
  const error = refused({ tools: [{ ...custom, grammar: { syntax: 'lark', definition: 'start: "a"' } }] });
  assert.deepEqual([error.kind, error.param], ['unsupported_value', 'tools[0].custom.format.grammar.syntax']);
  const unlike = refused({ tools: [{ ...custom, grammar: { syntax: 'regex', definition: '(a)\\1' } }] });
  assert.deepEqual([unlike.kind, unlike.param], ['unsupported_value', 'tools[0].custom.format.grammar.definition']);
});

test('qwen-coder: strings are raw, other values JSON, optional parameters optional', () => {
  const parameters = {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' }, unit: { type: 'string', enum: ['c', 'f'] } },
    required: ['city'],
    additionalProperties: false,
  };
  const plan = planChat(request({ tools: [{ ...WEATHER, parameters }], toolChoice: { mode: 'required' } }), traitsOf(known.QWEN_CODER));
  const calling = (inside: string): string => `<tool_call>\n<function=get_weather>\n${inside}</function>\n</tool_call>`;
  const city = '<parameter=city>\nBad "Ems" </p>\n</parameter>\n';
  assert.ok(fits(plan, calling(city)));
  assert.ok(fits(plan, calling(`${city}<parameter=days>\n3\n</parameter>\n<parameter=unit>\nc\n</parameter>\n`)));
  assert.ok(!fits(plan, calling('')) && !fits(plan, calling(`${city}<parameter=days>\nfew\n</parameter>\n`)));
  assert.ok(!fits(plan, calling(`${city}<parameter=unit>\nk\n</parameter>\n`)));
});
