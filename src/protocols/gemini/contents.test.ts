import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answered, contents, failure, gemini, prepare, sent, vertex, weather, whole } from './testing.ts';

const user = (content: unknown) => ({ role: 'user', content });
const bot = (content: unknown, more: object = {}) => ({ role: 'assistant', content, ...more });
const fn = (id: string, name: string, args: string) => ({ id, type: 'function', function: { name, arguments: args } });
const result = (id: string, content: unknown) => ({ role: 'tool', tool_call_id: id, content });
const older = gemini('gemini-2.5-flash');

describe('gemini: turns', () => {
  test('leading system and developer messages are the instruction, later ones are said by the user in their place', () => {
    const body = sent({
      messages: [
        { role: 'system', content: 'A' },
        { role: 'developer', content: [{ type: 'text', text: 'B' }] },
        user('hi'),
        { role: 'system', content: 'C' },
        bot('yes'),
      ],
    });
    assert.deepEqual(body.systemInstruction, { parts: [{ text: 'A' }, { text: 'B' }] });
    assert.deepEqual(body.contents, [
      { role: 'user', parts: [{ text: 'hi' }, { text: 'C' }] },
      { role: 'model', parts: [{ text: 'yes' }] },
    ]);
  });

  test('neighbours of one role are one turn', () => {
    assert.deepEqual(contents([user('a'), user('b'), bot('c'), bot('d'), user('e')]), [
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      { role: 'model', parts: [{ text: 'c' }, { text: 'd' }] },
      { role: 'user', parts: [{ text: 'e' }] },
    ]);
  });

  test('a turn of the assistant at the end stays there', () => {
    assert.deepEqual(contents([user('a'), bot('It is')]).at(-1), { role: 'model', parts: [{ text: 'It is' }] });
  });

  test('an empty message of the user is a blank, one of the assistant is left out', () => {
    assert.deepEqual(contents([user('a'), bot(''), user('')]), [{ role: 'user', parts: [{ text: 'a' }, { text: ' ' }] }]);
  });

  test('the user opens the conversation, whatever the client does', () => {
    assert.deepEqual(contents([bot('hello'), user('hi')])[0], { role: 'user', parts: [{ text: ' ' }] });
    const onlySystem = sent({ messages: [{ role: 'system', content: 'Tell a joke.' }] });
    assert.deepEqual(onlySystem.contents, [{ role: 'user', parts: [{ text: 'Tell a joke.' }] }]);
    assert.equal(onlySystem.systemInstruction, undefined);
  });

  test('models without instructions read them at the beginning of the first turn', () => {
    const body = sent({ messages: [{ role: 'system', content: 'A' }, user('hi')] }, gemini('gemma-3-27b-it'));
    assert.equal(body.systemInstruction, undefined);
    assert.deepEqual(body.contents, [{ role: 'user', parts: [{ text: 'A' }, { text: 'hi' }] }]);
  });

  test('a refusal of an earlier turn is what the model said', () => {
    assert.deepEqual(contents([user('a'), bot(null, { refusal: 'No.' })])[1], { role: 'model', parts: [{ text: 'No.' }] });
  });
});

describe('gemini: calls of earlier turns', () => {
  const calls = bot('let me see', { tool_calls: [fn('c1', 'get_weather', '{"city":"Rome"}'), fn('c2', 'get_time', '')] });

  test('calls and results go out with name and id, results in the order of the calls', () => {
    const turns = contents([user('q'), calls, result('c2', '12:00'), result('c1', '{"sun":true}')], older);
    assert.deepEqual(turns[1]?.parts, [
      { text: 'let me see' },
      { functionCall: { id: 'c1', name: 'get_weather', args: { city: 'Rome' } } },
      { functionCall: { id: 'c2', name: 'get_time', args: {} } },
    ]);
    assert.deepEqual(turns[2], {
      role: 'user',
      parts: [
        { functionResponse: { id: 'c1', name: 'get_weather', response: { sun: true } } },
        { functionResponse: { id: 'c2', name: 'get_time', response: { output: '12:00' } } },
      ],
    });
  });

  test('Vertex AI gets no ids', () => {
    const turns = contents([user('q'), calls, result('c2', 'x'), result('c1', 'y')], vertex('gemini-2.5-flash'));
    assert.deepEqual(turns[2]?.parts[0], { functionResponse: { name: 'get_weather', response: { output: 'y' } } });
    assert.deepEqual(turns[1]?.parts[1], { functionCall: { name: 'get_weather', args: { city: 'Rome' } } });
  });

  test('results that are no object are the output, and so are numbers that a double does not hold', () => {
    const one = (content: unknown) => {
      const turns = contents([user('q'), bot(null, { tool_calls: [fn('c', 'f', '{}')] }), result('c', content)]);
      return turns[2]?.parts[0]?.functionResponse?.response;
    };
    assert.deepEqual(one('[1,2]'), { output: [1, 2] });
    assert.deepEqual(one('17'), { output: '17' });
    assert.deepEqual(one(''), { output: '' });
    assert.deepEqual(
      one([
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ]),
      { output: 'ab' },
    );
    assert.deepEqual(one('{"id":12345678901234567890}'), { output: '{"id":12345678901234567890}' });
  });

  test('arguments that are no object become the value of input', () => {
    const turns = contents([user('q'), bot(null, { tool_calls: [fn('c', 'f', '{"cut')] }), result('c', 'x')], older);
    assert.deepEqual(turns[1]?.parts[0]?.functionCall?.args, { input: '{"cut' });
  });

  test('calls of custom tools are calls of the function that stands in', () => {
    const custom = { id: 'c', type: 'custom', custom: { name: 'sh', input: 'ls "a"' } };
    const turns = contents([user('q'), bot(null, { tool_calls: [custom] }), result('c', 'x')], older);
    assert.deepEqual(turns[1]?.parts[0]?.functionCall, { id: 'c', name: 'sh', args: { input: 'ls "a"' } });
  });
});

describe('gemini: signatures', () => {
  const question = user('q');
  /** The next turn of a client that answers these parts, as it got them. */
  const next = (parts: readonly unknown[], target = gemini()) => {
    const { choices } = whole(answered(parts), { target });
    const blocks = choices[0]?.blocks ?? [];
    const entries = blocks.map((block) => {
      const length = block.type === 'text' ? { length: block.text.length } : {};
      const id = block.type === 'tool_call' ? { id: block.id } : {};
      return { type: block.type, ...length, ...id, ...('state' in block && block.state ? { data: block.state.data } : {}) };
    });
    const calls = blocks.flatMap((block) => (block.type === 'tool_call' ? [fn(block.id, block.name, block.input)] : []));
    const text = blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
    const message = bot(text, {
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
      provider_state: { owner: target.provider, blocks: entries },
    });
    return [question, message, ...calls.map(({ id }) => result(id, 'r'))];
  };

  const parts = [
    { text: 'Hmm.', thought: true, thoughtSignature: 'sig0' },
    { executableCode: { language: 'PYTHON', code: '1+1' }, thoughtSignature: 'sig1' },
    { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '2' } },
    { text: 'Two. ' },
    { text: 'I look.', thoughtSignature: 'sig2' },
    { functionCall: { id: 'g1', name: 'get_weather', args: { city: 'Rome' } }, thoughtSignature: 'sig3' },
    { functionCall: { id: 'g2', name: 'get_weather', args: { city: 'Oslo' } } },
  ];

  test('a turn goes back to the same model word for word, thoughts and code runs included', () => {
    assert.deepEqual(contents(next(parts))[1], { role: 'model', parts });
  });

  test('a streamed text goes back with the signature that came alone at its end', () => {
    const back = contents([...next([{ text: 'Hel' }, { text: 'lo' }, { text: '', thoughtSignature: 's' }])]);
    assert.deepEqual(back[1]?.parts, [{ text: 'Hello', thoughtSignature: 's' }]);
  });

  test('another provider gets nothing of it', () => {
    const back = contents(next(parts), vertex('gemini-2.5-flash'));
    assert.deepEqual(back[1]?.parts, [
      { text: 'Two. ' },
      { text: 'I look.' },
      { functionCall: { name: 'get_weather', args: { city: 'Rome' } } },
      { functionCall: { name: 'get_weather', args: { city: 'Oslo' } } },
    ]);
  });

  test('another model gets the code runs without signatures, and the word that stands for one on the first call', () => {
    const back = contents(next(parts), gemini('gemini-3-flash-preview'));
    assert.deepEqual(back[1]?.parts, [
      { executableCode: { language: 'PYTHON', code: '1+1' } },
      { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '2' } },
      { text: 'Two. ' },
      { text: 'I look.' },
      { functionCall: { id: 'g1', name: 'get_weather', args: { city: 'Rome' } }, thoughtSignature: 'skip_thought_signature_validator' },
      { functionCall: { id: 'g2', name: 'get_weather', args: { city: 'Oslo' } } },
    ]);
  });

  test('calls made elsewhere carry that word for models that check, and nothing for older ones', () => {
    const turn = [question, bot(null, { tool_calls: [fn('a', 'f', '{}'), fn('b', 'f', '{}')] }), result('a', 'r'), result('b', 'r')];
    const signatures = (target = gemini()) => contents(turn, target)[1]?.parts.map(({ thoughtSignature }) => thoughtSignature);
    assert.deepEqual(signatures(), ['skip_thought_signature_validator', undefined]);
    assert.deepEqual(signatures(vertex('gemini-3-pro-preview')), ['skip_thought_signature_validator', undefined]);
    assert.deepEqual(signatures(gemini('gemini-flash-latest')), ['skip_thought_signature_validator', undefined]);
    assert.deepEqual(signatures(older), [undefined, undefined]);
  });

  test('thoughts without a signature are not sent back, nor is state of no known form', () => {
    assert.deepEqual(contents([question, bot('a', { reasoning_content: 'hmm' })])[1]?.parts, [{ text: 'a' }]);
    const odd = {
      owner: 'google',
      blocks: [
        { type: 'text', length: 1, data: 'odd' },
        { type: 'opaque', data: { part: 7 } },
      ],
    };
    assert.deepEqual(contents([question, bot('a', { provider_state: odd })])[1]?.parts, [{ text: 'a' }]);
  });
});

describe('gemini: media', () => {
  const part = (content: object, target = gemini()) => contents([user([content])], target)[0]?.parts[0];
  const image = (url: string) => ({ type: 'image_url', image_url: { url } });
  const file = (fields: object) => ({ type: 'file', file: fields });

  test('images by data URL and by address', () => {
    assert.deepEqual(part(image('data:image/png;base64,iVBORw0KGgo=')), { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } });
    const url = 'https://pics.test/a.JPG?size=1';
    assert.deepEqual(part(image(url)), { fileData: { mimeType: 'image/jpeg', fileUri: url } });
    assert.deepEqual(part(image('https://pics.test/a')), { fileData: { fileUri: 'https://pics.test/a' } });
    assert.deepEqual(part(image('gs://bucket/a.webp'), vertex()), { fileData: { mimeType: 'image/webp', fileUri: 'gs://bucket/a.webp' } });
  });

  test('sounds by their format', () => {
    const sound = (format: string) => part({ type: 'input_audio', input_audio: { data: 'AAAA', format } });
    assert.deepEqual(sound('wav'), { inlineData: { mimeType: 'audio/wav', data: 'AAAA' } });
    assert.deepEqual(sound('mp3'), { inlineData: { mimeType: 'audio/mp3', data: 'AAAA' } });
  });

  test('documents by data URL, by the name of the file, by their first bytes', () => {
    assert.deepEqual(part(file({ file_data: 'data:application/pdf;base64,JVBERi0x' })), {
      inlineData: { mimeType: 'application/pdf', data: 'JVBERi0x' },
    });
    assert.deepEqual(part(file({ filename: 'notes.md', file_data: 'YQ==' })), { inlineData: { mimeType: 'text/md', data: 'YQ==' } });
    assert.deepEqual(part(file({ file_data: 'JVBERi0x' })), { inlineData: { mimeType: 'application/pdf', data: 'JVBERi0x' } });
    assert.deepEqual(part(file({ file_data: 'data:application/json,%7B%7D' })), { inlineData: { mimeType: 'text/plain', data: 'e30=' } });
  });

  test('files by their id', () => {
    assert.deepEqual(part(file({ file_id: 'files/abc', filename: 'a.pdf' })), {
      fileData: { mimeType: 'application/pdf', fileUri: 'https://google.test/v1beta/files/abc' },
    });
    assert.deepEqual(part(file({ file_id: 'https://youtu.be/xyz' })), {
      fileData: { mimeType: 'video/mp4', fileUri: 'https://youtu.be/xyz' },
    });
  });

  test('what cannot be read is refused by its place', () => {
    const at = (content: object, target = gemini()) => {
      const error = failure(() => part(content, target));
      return [error.status, error.code, error.param];
    };
    const refused = [400, 'unsupported_value', 'messages[0].content[0]'];
    assert.deepEqual(at(file({ filename: 'a.docx', file_data: 'UEsDBA==' })), refused);
    assert.deepEqual(at(file({ file_data: 'data:application/zip;base64,UEsDBA==' })), refused);
    assert.deepEqual(at(image('data:text/html,hi')), refused);
    assert.deepEqual(at(file({ file_id: 'files/abc' }), vertex()), refused);
    assert.deepEqual(at(image('https://pics.test/a'), vertex('gemini-3.5-flash', { imageUrls: true })), refused);
  });
});

test('gemini: what is sent changes nothing of what was given', () => {
  const body = { messages: [user('a'), user('b')], tools: [weather] };
  const before = structuredClone(body);
  prepare(body);
  assert.deepEqual(body, before);
});
