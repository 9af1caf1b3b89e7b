import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAIN, refused, send, user } from './testing.ts';

const OPUS_5_5 = 'claude-opus-5-5';
const said = (text: string) => ({ type: 'text', text });
const system = (content: unknown) => ({ role: 'system', content });
const assistant = (content: unknown, more: object = {}) => ({ role: 'assistant', content, ...more });
const call = (id: string, args: string, name = 'add') => ({ id, type: 'function', function: { name, arguments: args } });
const result = (tool_call_id: string, content: unknown) => ({ role: 'tool', tool_call_id, content });
const kept = (...blocks: unknown[]) => ({ provider_state: { owner: 'anthropic', blocks } });

const turns = (messages: readonly unknown[], model = PLAIN, more: object = {}) => send({ messages, ...more }, { model }).body.messages;

test('anthropic: leading instructions stand apart, each a block; empty ones are left out', () => {
  const messages = [system('Be brief.'), { role: 'developer', content: [said('Be kind.'), said(' ')] }, system(''), user('Hi')];
  const { body } = send({ messages });
  assert.deepEqual(body.system, [said('Be brief.'), said('Be kind.')]);
  assert.deepEqual(body.messages, [{ role: 'user', content: [said('Hi')] }]);
});

test('anthropic: instructions alone are what is to be answered', () => {
  const { body } = send({ messages: [system('Tell a joke.')] });
  assert.deepEqual([body.system, body.messages], [undefined, [{ role: 'user', content: [said('Tell a joke.')] }]]);
});

test('anthropic: later instructions are a turn of their own where the model has such turns, behind what the user says', () => {
  const messages = [user('One'), assistant('1'), system('Now in French.'), user('Two'), { role: 'developer', content: 'Quick.' }];
  assert.deepEqual(turns(messages, OPUS_5_5), [
    { role: 'user', content: [said('One')] },
    { role: 'assistant', content: [said('1')] },
    { role: 'user', content: [said('Two')] },
    { role: 'system', content: [said('Now in French.'), said('Quick.')] },
  ]);
  const between = turns([user('One'), assistant('1'), system('Go on.'), assistant('2'), user('Three')], OPUS_5_5);
  assert.deepEqual(between[2], { role: 'user', content: [said('<system_message>\nGo on.\n</system_message>')] });
});

test('anthropic: elsewhere later instructions are marked as such in the turn of the user', () => {
  const messages = [user('One'), assistant('1'), system('Now in French.'), user('Two')];
  const folded = { role: 'user', content: [said('<system_message>\nNow in French.\n</system_message>'), said('Two')] };
  assert.deepEqual(turns(messages)[2], folded);
  const vertex = send({ messages }, { model: OPUS_5_5, quirks: { platform: 'vertex' } });
  assert.deepEqual(vertex.body.messages[2], folded);
});

test('anthropic: neighbours of one role are one turn, and a user begins', () => {
  assert.deepEqual(turns([assistant('Welcome.'), user('a'), user('b')]), [
    { role: 'user', content: [said('(no content)')] },
    { role: 'assistant', content: [said('Welcome.')] },
    { role: 'user', content: [said('a'), said('b')] },
  ]);
});

test('anthropic: texts of white space are left out, and a turn that says nothing says so', () => {
  const messages = [user('\n'), assistant(' '), user([said('x'), said('  ')])];
  assert.deepEqual(turns(messages), [{ role: 'user', content: [said('x')] }]);
  assert.deepEqual(turns([user('')]), [{ role: 'user', content: [said('(no content)')] }]);
});

test('anthropic: results of all calls stand first in the turn after them', () => {
  const calls = [call('call_1', '{"a":1}'), call('call_2', ''), call('call_3', '[1]'), call('call_4', 'no json')];
  const results = [result('call_2', [said('two'), said('zwei')]), result('call_1', 'one'), result('call_3', ''), result('call_4', '4')];
  const [, asked, answered] = turns([user('Add.'), assistant(null, { tool_calls: calls }), ...results, user('Well?')]);
  const use = (id: string, input: unknown) => ({ type: 'tool_use', id, name: 'add', input });
  assert.deepEqual(asked?.content, [
    use('call_1', { a: 1 }),
    use('call_2', {}),
    use('call_3', { input: [1] }),
    use('call_4', { input: 'no json' }),
  ]);
  assert.deepEqual(answered?.content, [
    { type: 'tool_result', tool_use_id: 'call_2', content: [said('two'), said('zwei')] },
    { type: 'tool_result', tool_use_id: 'call_1', content: 'one' },
    { type: 'tool_result', tool_use_id: 'call_3' },
    { type: 'tool_result', tool_use_id: 'call_4', content: '4' },
    said('Well?'),
  ]);
});

test('anthropic: ids and names of calls get the characters that the API takes, and no id twice', () => {
  const once = [assistant(null, { tool_calls: [call('functions.add:0', '{}', 'my.add')] }), result('functions.add:0', '1')];
  const [, first, , second, last] = turns([user('Hi'), ...once, ...once]);
  const ids = (content: readonly Readonly<Record<string, unknown>>[] | undefined) =>
    content?.map(({ id, tool_use_id }) => id ?? tool_use_id);
  assert.deepEqual(ids(first?.content), ['functions_add_0']);
  assert.equal(first?.content[0]?.name, 'my_add');
  assert.deepEqual([ids(second?.content), ids(last?.content)], [['functions_add_0_2'], ['functions_add_0_2']]);
});

test('anthropic: one id for several calls of a turn: their results follow in order', () => {
  const calls = [call('x', '{"a":1}'), call('x', '{"a":2}')];
  const [, , answered] = turns([user('Hi'), assistant(null, { tool_calls: calls }), result('x', 'one'), result('x', 'two')]);
  assert.deepEqual(answered?.content, [
    { type: 'tool_result', tool_use_id: 'x', content: 'one' },
    { type: 'tool_result', tool_use_id: 'x_2', content: 'two' },
  ]);
});

test('anthropic: earlier calls need a tool to be declared, and are not called for again', () => {
  const messages = [user('Hi'), assistant(null, { tool_calls: [call('a', '{}')] }), result('a', '1')];
  const { body } = send({ messages });
  assert.deepEqual(body.tools, [{ name: 'add', input_schema: { type: 'object', properties: {} } }]);
  assert.deepEqual(body.tool_choice, { type: 'none' });
});

test('anthropic: earlier calls of custom tools have their text as the input', () => {
  const custom = { id: 'c', type: 'custom', custom: { name: 'run', input: 'print("x")' } };
  const messages = [user('Hi'), assistant(null, { tool_calls: [custom] }), result('c', 'x')];
  const [, asked] = turns(messages, PLAIN, { tools: [{ type: 'custom', custom: { name: 'run' } }] });
  assert.deepEqual(asked?.content, [{ type: 'tool_use', id: 'c', name: 'run', input: { input: 'print("x")' } }]);
});

test('anthropic: names of speakers are left out and reported', () => {
  const { ignored } = send({
    messages: [
      { ...system('x'), name: 'boss' },
      { ...user('Hi'), name: 'Ann' },
    ],
  });
  assert.deepEqual(ignored, ['messages[0].name', 'messages[1].name']);
});

const thought = { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' };
const hidden = { type: 'redacted_thinking', data: 'ZW5j' };
const search = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } };
const found = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] };

test('anthropic: state goes back word for word in its order', () => {
  const state = kept(
    { type: 'reasoning', data: thought },
    { type: 'opaque', data: search },
    { type: 'opaque', data: found },
    { type: 'text', length: 5 },
    { type: 'reasoning', data: hidden },
    { type: 'tool_call', id: 'a' },
  );
  const turn = assistant('Well.', { reasoning_content: 'changed by the client', tool_calls: [call('a', '{}')], ...state });
  const [, asked] = turns([user('Hi'), turn, result('a', '1')]);
  const use = { type: 'tool_use', id: 'a', name: 'add', input: {} };
  assert.deepEqual(asked?.content, [thought, search, found, said('Well.'), hidden, use]);
});

test('anthropic: cited texts go back with their citations, unless the client changed them', () => {
  const cited = { type: 'text', text: 'Well.', citations: [{ type: 'web_search_result_location', url: 'https://a.test' }] };
  const state = kept({ type: 'text', length: 5, data: cited });
  assert.deepEqual(turns([user('Hi'), assistant('Well.', state), user('And?')])[1]?.content, [cited]);
  assert.deepEqual(turns([user('Hi'), assistant('Wells', state), user('And?')])[1]?.content, [said('Wells')]);
});

test('anthropic: thinking without state, or with that of somebody else, stays out', () => {
  const mine = assistant('Well.', { reasoning_content: 'Hm.' });
  const theirs = assistant('Well.', {
    provider_state: {
      owner: 'other',
      blocks: [
        { type: 'reasoning', data: thought },
        { type: 'opaque', data: search },
      ],
    },
  });
  for (const turn of [mine, theirs]) assert.deepEqual(turns([user('Hi'), turn, user('And?')])[1]?.content, [said('Well.')]);
  const wanted = send({ messages: [user('Hi'), mine, user('And?')] }, { quirks: { unsignedThinking: true } });
  assert.deepEqual(wanted.body.messages[1]?.content[0], { type: 'thinking', thinking: 'Hm.', signature: '' });
});

test('anthropic: models that bind thinking to its place are told to drop what has lost it', () => {
  const messages = [user('Hi'), assistant('Well.', kept({ type: 'reasoning', data: thought }, { type: 'text', length: 5 })), user('And?')];
  const { body, call: sent } = send({ messages }, { model: OPUS_5_5 });
  const binding = { prefix_mismatch_behavior: 'drop_block' };
  assert.deepEqual(body.thinking, { type: 'adaptive', display: 'summarized', block_binding: binding });
  assert.equal(sent.headers['anthropic-beta'], 'thinking-binding-controls-2026-08-01');
  assert.equal(send({ messages }, { model: PLAIN }).call.headers['anthropic-beta'], undefined);
  const cloud = send({ messages }, { model: OPUS_5_5, quirks: { platform: 'bedrock' } });
  assert.deepEqual(cloud.body.thinking, { type: 'adaptive', display: 'summarized' });
});

test('anthropic: a turn that the provider paused goes on as it stands when it comes back last', () => {
  const paused = assistant('Let me look.', kept({ type: 'text', length: 12 }, { type: 'opaque', data: search }));
  const continued = turns([user('Hi'), paused], OPUS_5_5);
  assert.deepEqual(continued.at(-1), { role: 'assistant', content: [said('Let me look.'), search] });
  const dropped = turns([user('Hi'), paused, user('Never mind.')], OPUS_5_5);
  assert.deepEqual(dropped[1]?.content, [said('Let me look.')]);
});

test('anthropic: a paused turn goes on as it stands whatever it ends with, and only where it is the last', () => {
  const found = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] };
  const state = kept(
    { type: 'opaque', data: search },
    { type: 'opaque', data: found },
    { type: 'text', length: 7 },
    {
      type: 'opaque',
      data: { type: 'pause_turn' },
    },
  );
  const paused = assistant('So far ', state);
  for (const model of [PLAIN, OPUS_5_5]) {
    assert.deepEqual(turns([user('Hi'), paused], model).slice(1), [{ role: 'assistant', content: [search, found, said('So far ')] }]);
    const left = turns([user('Hi'), paused, user('Never mind.')], model);
    assert.deepEqual(left.slice(1), [
      { role: 'assistant', content: [search, found, said('So far ')] },
      { role: 'user', content: [said('Never mind.')] },
    ]);
  }
});

test('anthropic: a paused turn goes on without thinking where it began without', () => {
  const begun = assistant(null, { tool_calls: [call('a', '{}')] });
  const paused = assistant('', kept({ type: 'opaque', data: search }, { type: 'opaque', data: { type: 'pause_turn' } }));
  const more = { reasoning_effort: 'low', max_tokens: 8000 };
  const lost = [user('Hi'), begun, result('a', '1')];
  const thinks = (messages: readonly unknown[]) => send({ messages, ...more }).body.thinking !== undefined;
  assert.deepEqual([thinks(lost), thinks([...lost, paused])], [false, false]);
  assert.deepEqual([thinks([user('Hi')]), thinks([user('Hi'), paused])], [true, true]);
});

test('anthropic: an answer may pause where the provider’s own tools can run', () => {
  assert.equal(send({}).pauses, false);
  assert.equal(send({ tools: [{ type: 'function', function: { name: 'add' } }] }).pauses, false);
  assert.equal(send({ web_search_options: {} }).pauses, true);
  const paused = assistant('', kept({ type: 'opaque', data: search }));
  assert.equal(send({ messages: [user('Hi'), paused] }).pauses, true);
});

test('anthropic: code that waits for the client’s results keeps its run, its caller and its container', () => {
  const caller = { type: 'code_execution_20260120', tool_id: 'srvtoolu_1' };
  const use = { type: 'tool_use', id: 'a', name: 'add', input: {}, caller };
  const state = kept(
    { type: 'opaque', data: search },
    { type: 'tool_call', id: 'a', data: use },
    { type: 'opaque', data: { type: 'container', id: 'container_1' } },
  );
  const turn = assistant(null, { tool_calls: [call('a', '{}')], ...state });
  const { body } = send({ messages: [user('Hi'), turn, result('a', '1')] });
  assert.deepEqual(body.messages[1]?.content, [search, use]);
  assert.equal(body.container, 'container_1');
  assert.equal(send({ messages: [user('Hi'), turn, result('a', '1'), assistant('Done.'), user('Thanks.')] }).body.container, undefined);
});

test('anthropic: a call whose calling code is gone is a call like any other', () => {
  const use = { type: 'tool_use', id: 'a', name: 'add', input: {} };
  const caller = { type: 'code_execution_20260120', tool_id: 'srvtoolu_1' };
  const turn = assistant(null, { tool_calls: [call('a', '{}')], ...kept({ type: 'tool_call', id: 'a', data: { ...use, caller } }) });
  assert.deepEqual(turns([user('Hi'), turn, result('a', '1')])[1]?.content, [use]);
});

test('anthropic: a last turn of the assistant is the beginning of the answer, without white space at its end', () => {
  assert.deepEqual(turns([user('Hi'), assistant('Well, \n')]).at(-1), { role: 'assistant', content: [said('Well,')] });
});

test('anthropic: models that go on with no turn of theirs are asked to go on', () => {
  for (const [model, more] of [
    ['claude-opus-4-6', {}],
    [PLAIN, { reasoning_effort: 'low' }],
  ] as const) {
    const [, begun, asked] = turns([user('Hi'), assistant('Well, ')], model, more);
    assert.deepEqual(begun, { role: 'assistant', content: [said('Well, ')] });
    assert.equal(asked?.role, 'user');
  }
});

test('anthropic: refusals and spoken answers of earlier turns are text', () => {
  assert.deepEqual(turns([user('Hi'), assistant(null, { refusal: 'No.' }), user('Why?')])[1]?.content, [said('No.')]);
});

const png = 'data:image/png;base64,iVBORw0KGgo=';
const image = (url: string, detail?: string) => user([{ type: 'image_url', image_url: { url, ...(detail ? { detail } : {}) } }]);
const file = (given: object) => user([{ type: 'file', file: given }]);
const only = (message: unknown, quirks = {}) => send({ messages: [message] }, { quirks }).body.messages[0]?.content[0];

test('anthropic: images go by URL or in base64, of the kinds that the model sees', () => {
  const source = { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' };
  assert.deepEqual(only(image(png)), { type: 'image', source });
  assert.deepEqual(only(image('https://a.test/x.png')), { type: 'image', source: { type: 'url', url: 'https://a.test/x.png' } });
  assert.deepEqual(only(image('data:image/jpg;base64,/9j/')), {
    type: 'image',
    source: { type: 'base64', media_type: 'image/jpeg', data: '/9j/' },
  });
  assert.deepEqual(send({ messages: [image(png, 'high')] }).ignored, ['messages[0].content[0].image_url.detail']);
  for (const url of ['data:image/svg+xml;base64,PHN2Zz4=', 'data:image/png,raw', 'ftp://a.test/x.png']) {
    const { code, param } = refused({ messages: [image(url)] });
    assert.deepEqual([code, param], ['unsupported_value', 'messages[0].content[0]'], url);
  }
  assert.equal(refused({ messages: [image('https://a.test/x.png')] }, { quirks: { platform: 'bedrock' } }).param, 'messages[0].content[0]');
});

test('anthropic: PDF and text are documents, by media type, name or content', () => {
  const pdf = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0x' } };
  assert.deepEqual(only(file({ file_data: 'data:application/pdf;base64,JVBERi0x' })), pdf);
  assert.deepEqual(only(file({ file_data: 'JVBERi0x', filename: 'a.pdf' })), { ...pdf, title: 'a.pdf' });
  assert.deepEqual(only(file({ file_data: 'JVBERi0x' })), pdf);
  const plain = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Grüße' }, title: 'a.md' };
  const base64 = Buffer.from('Grüße').toString('base64');
  assert.deepEqual(only(file({ file_data: base64, filename: 'a.md' })), plain);
  assert.deepEqual(only(file({ file_data: `data:text/markdown;base64,${base64}`, filename: 'a.md' })), plain);
  assert.deepEqual(only(file({ file_data: png })), only(image(png)));
  const { code, param } = refused({ messages: [file({ file_data: 'UEsDBA==', filename: 'a.docx' })] });
  assert.deepEqual([code, param], ['unsupported_value', 'messages[0].content[0]']);
});

test('anthropic: file ids go with the beta of the Files API, and are refused where there is none', () => {
  const { body, call: sent } = send({ messages: [file({ file_id: 'file_1', filename: 'a.pdf' })] });
  assert.deepEqual(body.messages[0]?.content, [{ type: 'document', source: { type: 'file', file_id: 'file_1' }, title: 'a.pdf' }]);
  assert.equal(sent.headers['anthropic-beta'], 'files-api-2025-04-14');
  assert.equal(refused({ messages: [file({ file_id: 'file_1' })] }, { quirks: { platform: 'vertex' } }).code, 'unsupported_value');
});

test('anthropic: audio is refused where it stands', () => {
  const { code, param } = refused({
    messages: [user([said('Hear:'), { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }])],
  });
  assert.deepEqual([code, param], ['unsupported_value', 'messages[0].content[1]']);
});
