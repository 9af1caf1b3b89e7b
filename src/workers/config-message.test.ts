import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { loadConfig } from '../config.ts';
import { CATALOG } from '../providers/catalog.ts';
import { packConfig, unpackConfig } from './config-message.ts';

test('a configuration arrives as it was, with every provider and every secret, and frozen', () => {
  const keys = Object.fromEntries(CATALOG.flatMap(({ keyEnv }) => keyEnv.map((name) => [name, `secret of ${name}`])));
  const env = { ...keys, PARLANCE_API_KEYS: 'open-sesame', DATABASE_URL: 'postgres://u:p@h/d', REDIS_URL: 'redis://h', HF_TOKEN: 'hf-1' };
  const config = loadConfig({ env, flags: {} });
  assert.ok(config.providers.length > 20);
  const arrived = unpackConfig(deserialize(serialize(packConfig(config))));
  const revealed = (of: typeof config) => [
    of.data?.url?.reveal(),
    of.redis?.url.reveal(),
    of.hub.token?.reveal(),
    ...of.providers.map(({ key }) => key?.reveal()),
  ];
  assert.deepEqual(revealed(arrived), revealed(config));
  const plain = (of: typeof config) => of.providers.map(({ key: _, ...rest }) => rest);
  assert.ok(config.providers.some(({ rules }) => rules.some(({ match }) => match instanceof RegExp)));
  assert.deepEqual(plain(arrived), plain(config));
  assert.equal(JSON.stringify(arrived), JSON.stringify(config));
  assert.ok(!JSON.stringify(arrived).includes('secret of'));
  assert.ok(Object.isFrozen(arrived) && Object.isFrozen(arrived.providers[0]?.timeouts));
});
