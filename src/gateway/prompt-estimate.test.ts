import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { seeded } from '../../test/support/random.ts';
import { parseChatRequest } from '../protocols/openai-chat/accept.ts';
import { builtInModel } from '../providers/llama/builtin.ts';
import { estimatePrompt, estimatePromptTokens, tokensOfText, withinWindow } from './prompt-estimate.ts';

const random = seeded(6);
const of = (alphabet: string, length: number): string => {
  const letters = [...alphabet];
  return Array.from({ length }, () => letters[Math.floor(random() * letters.length)] ?? '').join('');
};
const codes = (from: number, count: number): string =>
  String.fromCodePoint(...Array.from({ length: 600 }, () => from + Math.floor(random() * count)));

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const TEXTS: Readonly<Record<string, string>> = {
  english: 'An administrator hands out keys, says what each may use and spend, and believes the numbers. '.repeat(20),
  german: 'Die Donaudampfschifffahrtsgesellschaft veröffentlichte außergewöhnliche Geschäftszahlen. '.repeat(20),
  polish: 'Chrząszcz brzmi w trzcinie w Szczebrzeszynie, w szczękach chrząszcza trzeszczy miąższ. '.repeat(20),
  russian: 'Сегодня хорошая погода, и мы пойдём гулять в парк. '.repeat(20),
  arabic: 'اليوم الطقس جميل وسنذهب إلى الحديقة '.repeat(20),
  hindi: 'आज मौसम अच्छा है और हम पार्क जाएंगे '.repeat(20),
  thai: 'วันนี้อากาศดีมาก เราจะไปเดินเล่นที่สวนสาธารณะ'.repeat(20),
  chinese: '今天天气很好,我们去公园散步吧。机器学习是人工智能的一个分支。'.repeat(20),
  code: 'export const sum = (list: readonly number[]): number => {\n  let all = 0;\n  for (const one of list) all += one;\n  return all;\n};\n'.repeat(
    20,
  ),
  json: JSON.stringify({
    type: 'object',
    properties: { city: { type: 'string', description: 'Where' }, days: { type: 'integer', minimum: 1 } },
    required: ['city'],
  }).repeat(10),
  table: Array.from({ length: 60 }, (_, row) => `${row},${random()},2026-11-23T08:${row % 60}:00Z`).join('\n'),
  'random small letters': of(LOWER, 2000),
  'random short words': of(`${LOWER}          `, 2000),
  'random capitals': of(LOWER.toUpperCase(), 2000),
  'letters and digits': of(LOWER + LOWER.toUpperCase() + '0123456789+/', 2000),
  hexadecimal: of('0123456789abcdef', 2000),
  digits: of('0123456789', 2000),
  marks: of('!@#$%^&*()_+-=[]{};:,.<>/?|~', 2000),
  'single letters': [...of(LOWER, 800)].join(' '),
  spaces: of(' \n\t', 1000),
  'control characters': of('\x01\x02\x05\x0b\x1f\x7f', 300),
  'random Hangul': codes(0xac00, 0x2ba0),
  'random Han': codes(0x4e00, 0x5100),
  'random Cyrillic': codes(0x400, 0x100),
  emoji: codes(0x1f300, 0x300),
};

test('prompt estimate: never below what the built-in model counts, and about three times that at most', async () => {
  const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.disabled });
  const { path } = await builtInModel();
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  try {
    for (const [name, text] of Object.entries(TEXTS)) {
      const counted = model.tokenize(text, false).length;
      const estimated = tokensOfText(text);
      assert.ok(estimated >= counted, `${name}: ${estimated} of ${counted}`);
      assert.ok(estimated <= counted * 3.2, `${name}: ${estimated} of ${counted}`);
    }
  } finally {
    await model.dispose();
    await llama.dispose();
  }
});

const IMAGE = { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } };
const request = (more: object) =>
  parseChatRequest({ model: 'm', messages: [{ role: 'user', content: 'Hello' }], ...more }, { strict: false });

test('prompt estimate: all that is sent counts', () => {
  const plain = estimatePromptTokens(request({}));
  assert.ok(plain > 60 && plain < 120, String(plain));
  const more = (what: object): number => estimatePromptTokens(request(what)) - plain;
  const parameters = { type: 'object', properties: { city: { type: 'string', description: 'x'.repeat(400) } } };
  assert.ok(more({ messages: [{ role: 'user', content: 'Hello '.repeat(100) }] }) >= 100);
  assert.ok(
    more({
      messages: [
        { role: 'system', content: '' },
        { role: 'user', content: 'Hello' },
      ],
    }) >= 8,
  );
  assert.ok(more({ tools: [{ type: 'function', function: { name: 'f', parameters } }] }) >= 1000 + 100);
  const schema = { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object', description: 'y'.repeat(400) } } };
  assert.ok(more({ response_format: schema }) >= 100);
  const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: JSON.stringify({ z: '1234567890'.repeat(20) }) } };
  const turns = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: '0'.repeat(500) },
  ];
  assert.ok(more({ messages: turns }) >= 700);
});

test('prompt estimate: images and audio apart, and what the answer may be', () => {
  const content = [
    { type: 'text', text: 'What is it?' },
    IMAGE,
    { type: 'input_audio', input_audio: { data: 'A'.repeat(40_000), format: 'wav' } },
  ];
  const estimate = estimatePrompt(request({ messages: [{ role: 'user', content }] }));
  // 30,000 bytes of WAV are at most 3.75 s
  assert.ok(estimate.audioTokens >= 120 && estimate.audioTokens < 200, String(estimate.audioTokens));
  assert.equal(estimate.imageTokens, 5000);
  assert.ok(estimate.tokens > 5120);
  assert.deepEqual([estimate.longCache, estimate.otherOutput], [false, false]);
  assert.equal(estimatePrompt(request({ modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'mp3' } })).otherOutput, true);
  assert.equal(estimatePrompt(request({ modalities: ['text'] })).otherOutput, false);
});

test('prompt estimate: a prompt is no longer than the window', () => {
  const estimate = { tokens: 9000, audioTokens: 500, imageTokens: 8000, longCache: false, otherOutput: false };
  assert.equal(withinWindow(estimate, undefined), estimate);
  assert.equal(withinWindow(estimate, 9000), estimate);
  assert.deepEqual(withinWindow(estimate, 4000), { ...estimate, tokens: 4000, imageTokens: 3500 });
});

test('prompt estimate: texts of any length, each character once', () => {
  for (const lead of ['', 'é', '😀', 'aé']) {
    for (const count of [1, 4095, 4096, 8191, 8192, 20_000]) {
      assert.equal(tokensOfText(lead + '😀'.repeat(count)), tokensOfText(lead) + 4 * count, `${lead} ${count}`);
      assert.equal(tokensOfText(lead + '7'.repeat(count)), tokensOfText(lead) + count, `${lead} ${count}`);
    }
  }
  // a letter and 99 after it
  assert.equal(tokensOfText('a'.repeat(100)), Math.ceil(1 + 99 * 0.65));
  assert.equal(tokensOfText('abc d'), Math.ceil(1 + 0.65 * 2 + 0.06 + 1));
});
