import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../core/error.ts';
import { planProviders } from '../configured.ts';
import { buildProvider } from './build.ts';

test('build: a key that only the environment has is taken out of what the provider says', () => {
  const env = { MISTRAL_API_KEY: 'abcdefghijklmnopqrstuvwxyz123456' };
  const [planned] = planProviders({}, env).providers;
  assert.ok(planned?.id === 'mistral');
  const { scrub } = buildProvider({ ...planned, key: undefined }, env);
  const said = new GatewayError('upstream', `Unauthorized: ${env.MISTRAL_API_KEY} is no key of ours.`);
  assert.equal(scrub(said).message, 'Unauthorized: [key] is no key of ours.');
});
