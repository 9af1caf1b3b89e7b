import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { ConfigError, loadConfig } from '../config.ts';

const load = (env: Readonly<Record<string, string>>) => loadConfig({ env: { XDG_CONFIG_HOME: '/nonexistent', ...env }, flags: {} });

function problems(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    load(env);
  } catch (cause) {
    if (cause instanceof ConfigError) return cause.problems;
    throw cause;
  }
  return [];
}

test('config: the address of Redis, and the password in it, are shown nowhere', () => {
  const config = load({ PARLANCE_REDIS_URL: 'env:WHERE', WHERE: 'rediss://me:hush@redis.example:6380/2', PARLANCE_REDIS_PREFIX: 'ours:' });
  assert.equal(config.redis?.url.reveal(), 'rediss://me:hush@redis.example:6380/2');
  assert.equal(config.redis.prefix, 'ours:');
  assert.ok(!JSON.stringify(config).includes('hush') && !inspect(config, { depth: 9 }).includes('hush'));
  assert.equal(load({}).redis, undefined);
});

test('config: an address of Redis that is none is refused, without being quoted', () => {
  assert.deepEqual(problems({ PARLANCE_REDIS_URL: 'http://me:hush@redis.example' }), [
    'PARLANCE_REDIS_URL: redis.url: must be an address that begins with redis:// or rediss://',
  ]);
  assert.deepEqual(problems({ PARLANCE_REDIS_URL: 'env:WHERE' }), [
    'PARLANCE_REDIS_URL: redis.url: the environment variable WHERE is not set',
  ]);
});
