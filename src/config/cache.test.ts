import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './testing.ts';

test('config: the cache is off, and requests may ask for it, where nothing is said', () => {
  const off = { enabled: false, perRequest: true, maxBytes: 64 * 1024 ** 2, ttlMs: 300_000, models: [], share: false, inRedis: true };
  assert.deepEqual(load('').cache, off);
});

test('config: every setting of the cache, from the file and the environment', () => {
  const yaml = 'cache: {enabled: true, perRequest: false, ttl: 1h, models: ["gpt-*", fast], share: true, inRedis: false}';
  const set = {
    enabled: true,
    perRequest: false,
    maxBytes: 2 * 1024 ** 3,
    ttlMs: 3_600_000,
    models: ['gpt-*', 'fast'],
    share: true,
    inRedis: false,
  };
  assert.deepEqual(load(yaml, { PARLANCE_CACHE_MAX_BYTES: '2GiB' }).cache, set);
});

test('config: a size has the limit of its own setting', () => {
  assert.throws(() => load('server: {bodyLimit: 1GiB}'), /server\.bodyLimit: must be from 1 byte to 256MiB, not "1GiB"/);
  assert.throws(() => load('server: {bodyLimit: 999999999}'), /server\.bodyLimit: must be from 1 byte to 256MiB, not 999999999/);
  assert.throws(() => load('cache: {maxBytes: 2000GiB}'), /cache\.maxBytes: must be from 1 byte to 1024GiB/);
  assert.throws(() => load('cache: {maxBytes: 0}'), /cache\.maxBytes: must be from 1 byte/);
});
