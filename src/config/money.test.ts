import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EVERY_PRICE } from '../core/prices-testing.ts';
import { load } from './testing.ts';

test('config: limits, prices and what is kept, where nothing is said', () => {
  const { limits, prices, data } = load('');
  assert.deepEqual(limits, { onTightBudget: 'refuse', answerTokens: 4096 });
  assert.deepEqual(prices, { overrides: {}, local: { input: 0, output: 0 }, unpriced: 'allow' });
  assert.deepEqual([data?.retentionMs, data?.storeCompletions], [undefined, true]);
});

test('config: prices of one’s own, in the file and the environment', () => {
  const yaml =
    'prices: {overrides: {"p/*": {input: 1, output: 2.5, cachedInput: null, tiers: [{above: 200000, input: 2}]}}, unpriced: refuse}';
  const { prices } = load(yaml, { PARLANCE_PRICES_LOCAL: '{"input":0.1,"output":0.2}' });
  assert.deepEqual(prices.overrides, { 'p/*': { input: 1, output: 2.5, tiers: [{ above: 200_000, input: 2 }] } });
  assert.deepEqual([prices.local, prices.unpriced], [{ input: 0.1, output: 0.2 }, 'refuse']);
});

test('config: every kind that is charged has its price, in overrides and in what is declared of a model', () => {
  const prices = JSON.stringify(EVERY_PRICE);
  assert.deepEqual(load(`prices: {overrides: {a: ${prices}}}`).prices.overrides, { a: EVERY_PRICE });
  const { providers } = load(`providers: {openai: {key: sk-test, models: [{id: m, pricing: ${prices}}]}}`);
  assert.deepEqual(providers.find(({ id }) => id === 'openai')?.models[0]?.pricing, EVERY_PRICE);
  assert.throws(() => load('prices: {overrides: {a: {input: 1, output: 1, tools: {web_search: -1}}}}'), /web_search: must be/);
});

test('config: the prices that the pages show are taken as they are written there', () => {
  const page = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  const [limits, models] = ['limits.md', 'models.md'].map((name) => /^```yaml\n(prices:\n.*?)^```/ms.exec(page(name))?.[1] ?? '');
  const { overrides } = load(limits ?? '').prices;
  assert.deepEqual(overrides['google/gemini-2.5-pro']?.tiers, [{ above: 200_000, input: 2.5, output: 15 }]);
  assert.equal(overrides['anthropic/claude-sonnet-4-6']?.tools?.['web_search'], 10);
  assert.equal(load(models ?? '').prices.local.request, 0.0001);
});

test('config: a price has both ends and no others', () => {
  assert.throws(() => load('prices: {overrides: {a: {input: 1}}}'), /prices\.overrides\.a: must have "output"/);
  assert.throws(
    () => load('prices: {overrides: {a: {input: 1, output: 1, outputs: 1}}}'),
    /outputs: unknown setting, did you mean "output"\?/,
  );
  assert.throws(() => load('prices: {overrides: {a: {input: -1, output: 1}}}'), /input: must be a number/);
  assert.throws(() => load('prices: {local: {inputs: 1}}'), /prices\.local\.inputs/);
  const tiers = (text: string) => load(`prices: {overrides: {a: {input: 1, output: 1, serviceTiers: ${text}}}}`);
  assert.throws(() => tiers('{priority: {input: 1}}'), /serviceTiers\.priority: must have "output"/);
  assert.throws(() => tiers('{dear: {input: 1, output: 2}}'), /serviceTiers\.dear/);
});

test('config: how long records are kept', () => {
  assert.equal(load('data: {retention: 400d}').data?.retentionMs, 400 * 86_400_000);
  assert.equal(load('data: {retention: "off"}').data?.retentionMs, undefined);
  for (const wrong of ['0d', '12h', '400', 'd']) {
    assert.throws(() => load(`data: {retention: "${wrong}"}`), /data\.retention: must be off or a number of days such as 90d/);
  }
});
