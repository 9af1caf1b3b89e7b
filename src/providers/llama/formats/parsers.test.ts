import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { callParser, wholeCharacters } from './call-parser.ts';
import { FAMILIES, familyOf, GENERIC } from './families.ts';
import { harmonyParser } from './harmony-parser.ts';
import type { OutputParser, OutputPart } from './plan.ts';
import type { OfferedTool } from './tools.ts';

const tool = (name: string, properties: Readonly<Record<string, unknown>> = {}): OfferedTool => ({
  name,
  kind: 'function',
  description: '',
  schema: { type: 'object', properties },
  strict: false,
  path: 'tools[0].function.parameters',
});
const TOOLS: readonly OfferedTool[] = [
  tool('get', { q: { type: 'string' } }),
  tool('get_weather', { city: { type: 'string' }, days: { type: 'integer' }, tags: { type: 'array' } }),
  { ...tool('run_code', { input: { type: 'string' } }), kind: 'custom' },
];
const THINK = { open: '<think>', close: '</think>', opened: false };

function parserOf(id: string, thinking?: typeof THINK): () => OutputParser {
  if (id === 'harmony') return () => wholeCharacters(harmonyParser(TOOLS));
  const family = id === 'generic' ? GENERIC : FAMILIES.find((one) => one.id === id);
  assert.ok(family);
  return () => wholeCharacters(callParser({ calls: family.calls, tools: TOOLS, thinking }));
}

/** Everything the parser says of `pieces`, neighbouring slices of one part joined; checks the slices on the way. */
function read(parser: OutputParser, pieces: readonly string[], complete = true): OutputPart[] {
  const whole = pieces.join('');
  const result: OutputPart[] = [];
  for (const part of [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end(complete)]) {
    if (part.type === 'text' || part.type === 'reasoning') {
      assert.equal(whole.slice(part.at, part.at + part.text.length), part.text, 'a part is a slice of the output');
    }
    if ('text' in part) assert.ok(part.text.isWellFormed(), 'no part ends inside a character');
    const last = result.at(-1);
    if (part.type === 'tool_delta' && last?.type === 'tool_delta') result[result.length - 1] = { ...last, text: last.text + part.text };
    else if ((part.type === 'text' || part.type === 'reasoning') && last?.type === part.type && last.at + last.text.length === part.at) {
      result[result.length - 1] = { ...last, text: last.text + part.text };
    } else result.push(part);
  }
  return result;
}

const inPieces = (text: string, size: number): string[] =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size));

/** Reads `text` whole, by 1 and by 7 units; all must say the same. Returned in short form: [type, text or name]. */
function parts(make: () => OutputParser, text: string, complete = true): unknown[] {
  const whole = read(make(), [text], complete);
  for (const size of [1, 7]) assert.deepEqual(read(make(), inPieces(text, size), complete), whole, `in reads of ${size}`);
  return whole.map((part) => {
    if (part.type === 'tool_start') return ['call', part.name, ...(part.id === undefined ? [] : [part.id])];
    return part.type === 'tool_end' ? ['end'] : [part.type === 'tool_delta' ? 'args' : part.type, part.text];
  });
}

const call = (name: string, args: string, id?: string): unknown[] => [
  ['call', name, ...(id === undefined ? [] : [id])],
  ['args', args],
  ['end'],
];

const OUTPUTS: readonly (readonly [family: string, what: string, output: string, expected: unknown[], thinking?: typeof THINK])[] = [
  ['hermes', 'text alone', 'Hello <b>you</b> ', [['text', 'Hello <b>you</b> ']]],
  [
    'hermes',
    'one call',
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bad {Ems}\\""}}\n</tool_call>',
    call('get_weather', '{"city": "Bad {Ems}\\""}'),
  ],
  [
    'hermes',
    'text, two calls, text',
    'Let me see.\n\n<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>\n<tool_call>{"name":"get_weather","arguments":{"city":"Ulm"}}</tool_call>\nDone.',
    [['text', 'Let me see.'], ...call('get', '{}'), ...call('get_weather', '{"city":"Ulm"}'), ['text', 'Done.']],
  ],
  [
    'hermes',
    'reasoning, then a call',
    '<think>\nThe user 😀 asks <b>…\n</think>\n\n<tool_call>\n{"name": "get", "arguments": {"q": "😀"}}\n</tool_call>',
    [['reasoning', 'The user 😀 asks <b>…'], ...call('get', '{"q": "😀"}')],
    THINK,
  ],
  [
    'hermes',
    'reasoning the prompt has opened',
    'Hm.\n</think>\n\nYes.',
    [
      ['reasoning', 'Hm.'],
      ['text', 'Yes.'],
    ],
    { ...THINK, opened: true },
  ],
  ['hermes', 'no reasoning where there may be some', '  <thin air>', [['text', '  <thin air>']], THINK],
  ['hermes', 'empty reasoning', '<think>\n\n</think>\n\nYes.', [['text', 'Yes.']], THINK],
  [
    'hermes',
    'a call of an unknown tool is text',
    '<tool_call>\n{"name": "rm", "arguments": {}}\n</tool_call>',
    [['text', '<tool_call>\n{"name": "rm", "arguments": {}}\n</tool_call>']],
  ],
  ['hermes', 'marks quoted in prose are text', 'Write <tool_call> and </tool_call>.', [['text', 'Write <tool_call> and </tool_call>.']]],
  [
    'generic',
    'a custom tool gives its text',
    '<tool_call>\n{"name": "run_code", "arguments": {"input": "print(\\"\\u00e9\\ud83d\\ude00\\")\\n"}}\n</tool_call>',
    call('run_code', 'print("é😀")\n'),
  ],
  [
    'qwen-coder',
    'raw strings and JSON values',
    '<tool_call>\n<function=get_weather>\n<parameter=city>\nBad "Ems"\n</para>\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=tags>\n["a", 1]\n</parameter>\n</function>\n</tool_call>',
    call('get_weather', '{"city":"Bad \\"Ems\\"\\n</para>","days":3,"tags":["a", 1]}'),
  ],
  ['qwen-coder', 'no arguments, no outer mark', 'Ok.\n<function=get>\n</function>', [['text', 'Ok.'], ...call('get', '{}')]],
  [
    'qwen-coder',
    'two calls',
    '<tool_call>\n<function=get>\n</function>\n</tool_call>\n<tool_call>\n<function=run_code>\n<parameter=input>\na\n\nb\n</parameter>\n</function>\n</tool_call>',
    [...call('get', '{}'), ...call('run_code', 'a\n\nb')],
  ],
  ['llama-3', 'bare JSON', '{"name": "get_weather", "parameters": {"city": "Ulm"}}', call('get_weather', '{"city": "Ulm"}')],
  ['llama-3', 'after the tag, with a type', '<|python_tag|>{"type": "function", "name": "get", "parameters": {}}', call('get', '{}')],
  ['llama-3', 'JSON that is no call', '{"name": "Bob", "age": 3}', [['text', '{"name": "Bob", "age": 3}']]],
  [
    'mistral',
    'a list',
    '[TOOL_CALLS] [{"name": "get", "arguments": {"q": "]"}, "id": "abcDEF123"}, {"name":"get_weather","arguments":{}}]',
    [...call('get', '{"q": "]"}'), ...call('get_weather', '{}')],
  ],
  [
    'mistral-args',
    'names and ids',
    '[TOOL_CALLS]get[CALL_ID]abcDEF123[ARGS]{"q": "x"}[TOOL_CALLS]get_weather[ARGS]{}',
    [...call('get', '{"q": "x"}', 'abcDEF123'), ...call('get_weather', '{}')],
  ],
  [
    'deepseek-r1',
    'two calls after reasoning',
    'Hm.\n</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{"q": "a"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Ulm"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    [['reasoning', 'Hm.'], ...call('get', '{"q": "a"}'), ...call('get_weather', '{"city": "Ulm"}')],
    { ...THINK, opened: true },
  ],
  [
    'deepseek-v3.1',
    'a call after text',
    'Right.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{"q": "a"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    [['text', 'Right.'], ...call('get', '{"q": "a"}')],
  ],
  ['phi-4', 'a call', '<|tool_call|>{"name": "get", "arguments": {}}<|/tool_call|>', call('get', '{}')],
  ['granite', 'a list', '<|tool_call|>[{"name": "get", "arguments": {}}]', call('get', '{}')],
  ['nemotron', 'a list', '<TOOLCALL>[{"name": "get", "arguments": {"q": "a"}}]</TOOLCALL>', call('get', '{"q": "a"}')],
  ['functionary', 'a call', '<function=get>{"q": "a"}</function>', call('get', '{"q": "a"}')],
  [
    'harmony',
    'analysis and answer',
    '<|channel|>analysis<|message|>Hm <x>.<|end|><|start|>assistant<|channel|>final<|message|>Yes, 1 < 2 <|o.<|return|>',
    [
      ['reasoning', 'Hm <x>.'],
      ['text', 'Yes, 1 < 2 <|o.'],
    ],
  ],
  [
    'harmony',
    'a call in the commentary',
    '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Ulm"}<|call|>',
    [['reasoning', 'Hm.'], ...call('get_weather', '{"city":"Ulm"}')],
  ],
  [
    'harmony',
    'a call whose recipient comes first',
    ' to=functions.get<|channel|>commentary json<|message|>{"q":"x"}',
    call('get', '{"q":"x"}'),
  ],
  [
    'harmony',
    'a preamble, then a call',
    '<|channel|>commentary<|message|>I look it up.<|end|><|start|>assistant to=functions.get<|channel|>commentary<|message|>{}<|call|>',
    [['text', 'I look it up.'], ...call('get', '{}')],
  ],
  ['harmony', 'plain text', 'Hello <|you', [['text', 'Hello <|you']]],
  [
    'harmony',
    'a call of an unknown function is text',
    ' to=functions.rm<|channel|>commentary<|message|>{}',
    [['text', ' to=functions.rm<|channel|>commentary<|message|>{}']],
  ],
];

for (const [family, what, output, expected, thinking] of OUTPUTS) {
  test(`${family}: ${what}, in any split`, () => {
    assert.deepEqual(parts(parserOf(family, thinking), output), expected);
  });
}

test('any split of any output says the same as the whole', () => {
  const outputs = fc.constantFrom(...OUTPUTS);
  fc.assert(
    fc.property(
      outputs,
      fc.array(fc.nat({ max: 200 }), { maxLength: 12 }),
      fc.boolean(),
      ([family, , output, , thinking], cuts, complete) => {
        const places = [...new Set(cuts.map((cut) => cut % (output.length + 1)))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((from, index) => output.slice(from, places[index] ?? output.length));
        const make = parserOf(family, thinking);
        assert.deepEqual(read(make(), pieces, complete), read(make(), [output], complete));
      },
    ),
    { numRuns: 300 },
  );
});

test('text of marks and blanks in any order is never lost, blanks beside marks apart', () => {
  const words = fc.constantFrom(
    '<tool_call>',
    '</tool_call>',
    '{"name": "get"',
    ', "arguments": ',
    '{}',
    '}',
    ' ',
    '\n',
    'a',
    '😀',
    '<',
    '[TOOL_CALLS]',
    '[',
  );
  fc.assert(
    fc.property(fc.constantFrom('hermes', 'mistral', 'llama-3'), fc.array(words, { maxLength: 14 }), (family, list) => {
      const make = parserOf(family);
      const text = list.join('');
      const whole = read(make(), [text]);
      assert.deepEqual(read(make(), inPieces(text, 1)), whole);
      if (whole.some((part) => part.type === 'tool_start')) return;
      assert.equal(whole.map((part) => ('text' in part ? part.text : '')).join(''), text);
    }),
    { numRuns: 500 },
  );
});

test('hermes: arguments are passed on while they are generated', () => {
  const parser = parserOf('hermes')();
  assert.deepEqual(parser.push('<tool_call>\n{"name": "get", "arguments": {"q": "ab'), [
    { type: 'tool_start', kind: 'function', name: 'get' },
    { type: 'tool_delta', text: '{"q": "ab' },
  ]);
  assert.deepEqual(parser.push('cd"}'), [{ type: 'tool_delta', text: 'cd"}' }]);
  assert.deepEqual(parser.push('}\n</tool_call>'), [{ type: 'tool_end' }]);
});

test('qwen-coder: a long string is passed on while it is generated', () => {
  const parser = parserOf('qwen-coder')();
  parser.push('<tool_call>\n<function=get>\n<parameter=q>\n');
  assert.deepEqual(parser.push('one "two"'), [{ type: 'tool_delta', text: 'one \\"two\\"' }]);
});

test('text is held back only as long as it could begin a mark', () => {
  const parser = parserOf('hermes')();
  assert.deepEqual(parser.push('a <tool_c'), [{ type: 'text', text: 'a', at: 0 }]);
  assert.deepEqual(parser.push('ake>'), [{ type: 'text', text: ' <tool_cake>', at: 1 }]);
});

test('a call cut off by the token limit gives what there is, and is closed', () => {
  for (const family of ['hermes', 'qwen-coder', 'harmony']) {
    const output = {
      hermes: '<tool_call>{"name": "get", "arguments": {"q": "a',
      'qwen-coder': '<tool_call>\n<function=get>\n<parameter=q>\na',
      harmony: '<|channel|>commentary to=functions.get<|message|>{"q":"a',
    }[family];
    assert.ok(output);
    const found = parts(parserOf(family), output, false);
    assert.deepEqual(found[0], ['call', 'get']);
    assert.match(JSON.stringify(found[1]), /q.*a/);
    assert.deepEqual(found[2], ['end']);
  }
});

test('a call cut off before its name is nobody’s text; the same without a token limit is', () => {
  for (const cut of ['<tool_call>', '<tool_call>\n{', '<tool_call>\n{"name": "ge']) {
    assert.deepEqual(parts(parserOf('hermes'), `Sure. ${cut}`, false), [['text', 'Sure.']]);
    assert.deepEqual(parts(parserOf('hermes'), cut, true), [['text', cut]]);
  }
  assert.deepEqual(parts(parserOf('hermes'), 'a < b <to', false), [['text', 'a < b <to']], 'what may be text stays');
});

test('without tools every mark is text', () => {
  const make = (): OutputParser => callParser({ calls: familyOf('').calls, tools: [] });
  const output = '<tool_call>{"name": "get", "arguments": {}}</tool_call>';
  assert.deepEqual(parts(make, output), [['text', output]]);
});

test('parser: the only tool that can be called is told with the first letter, and its call once', () => {
  const hermes = FAMILIES.find((one) => one.id === 'hermes');
  const [only] = TOOLS;
  assert.ok(hermes && only);
  const make = () => wholeCharacters(callParser({ calls: hermes.calls, tools: [only], certain: only }));
  const call = '<tool_call>\n{"name": "get", "arguments": {"q": "a"}}\n</tool_call>';
  const told = [['call', 'get'], ['args', '{"q": "a"}'], ['end']];
  assert.deepEqual(parts(make, call), told);
  assert.deepEqual(parts(make, `${call}\n${call}`), [...told, ...told]);
  assert.deepEqual(make().push('<'), [{ type: 'tool_start', kind: 'function', name: 'get' }]);
  for (const cut of ['<', '<tool_call>\n{"name": "ge']) assert.deepEqual(parts(make, cut, false), [['call', 'get'], ['end']]);
  assert.deepEqual(parts(make, call.slice(0, call.indexOf('a"}') + 1), false), [['call', 'get'], ['args', '{"q": "a'], ['end']]);
  assert.deepEqual(parts(make, '', false), []);
});
