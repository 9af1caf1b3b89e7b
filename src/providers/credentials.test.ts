import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { blot, createAuthorizer, findKey, secretsOf } from './credentials.ts';
import type { AuthorizerOptions } from './credentials.ts';
import type { OutgoingCall } from './provider.ts';

const CALL: OutgoingCall = { url: 'https://api.test/v1/chat', method: 'POST', headers: {}, body: '{}' };
const secret = (text: string) => ({ reveal: () => text });
const authorize = (options: Partial<AuthorizerOptions>) => {
  const authorizer = createAuthorizer({ provider: 'openai', auth: { scheme: 'bearer' }, keyEnv: ['OPENAI_API_KEY'], env: {}, ...options });
  return authorizer(CALL, new AbortController().signal);
};

test('credentials: a key goes where the scheme says', async () => {
  const key = secret('sk-1');
  assert.deepEqual(await authorize({ key }), { authorization: 'Bearer sk-1' });
  assert.deepEqual(await authorize({ key, auth: { scheme: 'header', name: 'X-Api-Key' } }), { 'x-api-key': 'sk-1' });
});

test("credentials: the configuration's key goes before the environment's, whose first set variable counts", async () => {
  const env = { FIRST: '', SECOND: ' sk-2\n', THIRD: 'sk-3' };
  const keyEnv = ['FIRST', 'SECOND', 'THIRD'];
  assert.deepEqual(await authorize({ env, keyEnv }), { authorization: 'Bearer sk-2' });
  assert.deepEqual(await authorize({ env, keyEnv, key: secret('sk-1\n') }), { authorization: 'Bearer sk-1' });
  assert.equal(findKey({ env, keyEnv, key: secret('  ') })?.reveal(), 'sk-2');
  assert.equal(findKey({ env: {}, keyEnv }), undefined);
});

test('credentials: a missing key is the fault of the server, and the message says which variable to set', async () => {
  await assert.rejects(authorize({}), (error: GatewayError) => {
    assert.equal(error.message, "The provider 'openai' has no API key: set OPENAI_API_KEY.");
    assert.deepEqual([error.kind, error.status, error.retryable], ['internal', 500, false]);
    return true;
  });
  await assert.rejects(authorize({ keyEnv: [] }), /has no API key: give it one in the configuration/);
});

test('credentials: where a key is optional none is sent', async () => {
  assert.deepEqual(await authorize({ auth: { scheme: 'bearer', optional: true } }), {});
  assert.deepEqual(await authorize({ auth: { scheme: 'header', name: 'api-key', optional: true } }), {});
});

test('credentials: a key that cannot stand in a header is refused without being quoted', async () => {
  for (const text of ['sk-a\nb', 'sk a', 'sk-ü', 'Bearer sk-1', 'sk-\u200b1']) {
    for (const scheme of ['bearer', 'aws', 'google'] as const) {
      const auth = scheme === 'aws' ? ({ scheme, service: 'bedrock' } as const) : { scheme };
      await assert.rejects(authorize({ key: secret(text), auth }), (error: unknown) => {
        assert.ok(error instanceof GatewayError);
        assert.equal(error.kind, 'internal');
        assert.ok(!error.message.includes(text) && error.message.includes('printable ASCII'));
        return true;
      });
    }
  }
});

test('credentials: blot takes secrets out wherever they stand, the longer first', () => {
  const secrets = [secret('abcdefgh'), secret('abcdefgh-and-more\n'), secret('$&$1.*+[x]')];
  assert.equal(blot('key abcdefgh-and-more, key abcdefgh: no; $&$1.*+[x]', secrets), 'key [key], key [key]: no; [key]');
});

test('credentials: blot leaves stand-ins for keys alone, which are parts of words', () => {
  assert.equal(blot('none of the models of ollama', [secret('none'), secret('ollama'), secret('')]), 'none of the models of ollama');
});

test('credentials: keys of the environment are as secret as those of the configuration, and so are headers that hold any', () => {
  const env = { FIRST_KEY: 'from-environment', OTHER: 'no-secret-at-all' };
  const headers = { 'x-api-token': 'from-header', 'x-team': 'a-team-of-ours' };
  const secrets = secretsOf({ key: secret('from-configuration'), keyEnv: ['FIRST_KEY', 'SECOND_KEY'], env }, headers);
  assert.deepEqual(
    secrets.map((one) => one.reveal()),
    ['from-configuration', 'from-environment', 'from-header'],
  );
  const text = 'from-environment from-header from-configuration no-secret-at-all a-team-of-ours';
  assert.equal(blot(text, secrets), '[key] [key] [key] no-secret-at-all a-team-of-ours');
});
