import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { GatewayError } from '../../core/error.ts';
import { serving } from '../http-testing.ts';
import type { OutgoingCall } from '../provider.ts';
import { awsAuthorizer } from './aws.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const CALL: OutgoingCall = {
  url: 'https://bedrock-runtime.eu-central-1.amazonaws.com/model/m%3A0/converse',
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: '{"messages":[]}',
};
const never = new AbortController().signal;

interface Sent {
  readonly call: OutgoingCall;
  readonly proof: Readonly<Record<string, string>>;
}

const PROOF = new Set(['authorization', 'x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256']);

/** A request as AWS's own client sends it, with the headers of its signature apart. */
async function fromSdk(command: ConverseCommand | ConverseStreamCommand, sessionToken?: string): Promise<Sent> {
  let sent: Sent | undefined;
  const client = new BedrockRuntimeClient({
    region: 'us-west-2',
    credentials: {
      accessKeyId: KEYS.AWS_ACCESS_KEY_ID,
      secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    maxAttempts: 1,
    requestHandler: {
      async handle(request: { hostname: string; path: string; headers: Record<string, string>; body: string | Uint8Array }) {
        const those = (wanted: (name: string) => boolean) =>
          Object.fromEntries(Object.entries(request.headers).filter(([name]) => wanted(name)));
        const headers = those((name) => !PROOF.has(name) && name !== 'host');
        const body = typeof request.body === 'string' ? request.body : new TextDecoder().decode(request.body);
        sent = {
          call: { url: `https://${request.hostname}${request.path}`, method: 'POST', headers, body },
          proof: those((name) => PROOF.has(name)),
        };
        throw new Error('seen');
      },
    },
  });
  await assert.rejects(client.send(command as ConverseCommand), /seen/);
  client.destroy();
  assert.ok(sent);
  return sent;
}

function dateOf(stamp: string | undefined): Date {
  return new Date(String(stamp).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

test("aws: the signature is the same as that of AWS's own client", async () => {
  const messages = [{ role: 'user' as const, content: [{ text: 'grüße 🙂' }] }];
  const models = [
    'anthropic.claude-3-5-sonnet-20241022-v2:0',
    'us.amazon.nova-lite-v1:0',
    'arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3',
    'plain',
  ];
  for (const modelId of models) {
    for (const sessionToken of [undefined, 'session/token==']) {
      for (const command of [new ConverseCommand({ modelId, messages }), new ConverseStreamCommand({ modelId, messages })]) {
        const { call, proof } = await fromSdk(command, sessionToken);
        assert.ok(!call.url.includes('arn:'), call.url);
        const env = { ...KEYS, ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }) };
        const authorize = awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env, now: () => dateOf(proof['x-amz-date']) });
        assert.deepEqual(await authorize(call, never), proof);
      }
    }
  }
});

test('aws: a GET is signed with its query, and what is signed is returned and nothing else', async () => {
  const authorize = awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env: KEYS, now: () => new Date('2026-01-02T03:04:05Z') });
  const get = { ...CALL, method: 'GET', body: '' } as const;
  const one = await authorize(
    { ...get, url: 'https://bedrock.us-east-1.amazonaws.com/foundation-models?byProvider=a&byProvider=b' },
    never,
  );
  const other = await authorize({ ...get, url: 'https://bedrock.us-east-1.amazonaws.com/foundation-models' }, never);
  assert.deepEqual(Object.keys(one).toSorted(), ['authorization', 'x-amz-content-sha256', 'x-amz-date']);
  assert.notEqual(one['authorization'], other['authorization']);
  assert.match(String(one['authorization']), /20260102\/us-east-1\/bedrock\/aws4_request, SignedHeaders=content-type;host;/);
});

test("aws: the region is the host's, else the configuration's, else the environment's", async () => {
  const regionIn = async (url: string, env: Record<string, string>, region?: string): Promise<string | undefined> => {
    const authorize = awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env: { ...KEYS, ...env }, region });
    const { authorization } = await authorize({ ...CALL, url }, never);
    return /Credential=\w+\/\d+\/([^/]+)\//.exec(String(authorization))?.[1];
  };
  const env = { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-2' };
  assert.equal(await regionIn('https://bedrock-runtime.ap-southeast-2.amazonaws.com/x', env, 'us-east-1'), 'ap-southeast-2');
  assert.equal(await regionIn('https://vpce-1-a.bedrock-runtime.us-gov-west-1.vpce.amazonaws.com/x', env), 'us-gov-west-1');
  assert.equal(await regionIn('http://127.0.0.1:1/x', env, 'us-east-1'), 'us-east-1');
  assert.equal(await regionIn('http://127.0.0.1:1/x', env), 'eu-west-1');
  assert.equal(await regionIn('http://127.0.0.1:1/x', { AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-west-2' }), 'eu-west-2');
  await assert.rejects(regionIn('http://127.0.0.1:1/x', {}), /The provider 'bedrock' has no region: set AWS_REGION/);
});

test('aws: an API key of Bedrock goes as it is, before all other credentials', async () => {
  const authorize = awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env: KEYS, key: { reveal: () => 'ABSK1' } });
  assert.deepEqual(await authorize(CALL, never), { authorization: 'Bearer ABSK1' });
});

/** A home without AWS files or machine roles, for what the chain reads by itself. */
async function emptyHome(t: TestContext, files: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-aws-'));
  const env: Record<string, string> = {
    AWS_SHARED_CREDENTIALS_FILE: join(dir, 'credentials'),
    AWS_CONFIG_FILE: join(dir, 'config'),
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(dir, name), text)));
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, env);
  t.after(async () => {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, before);
    await rm(dir, { recursive: true });
  });
  return env;
}

const credentialIn = (proof: Readonly<Record<string, string>>): string | undefined =>
  /Credential=([^/]+)\//.exec(String(proof['authorization']))?.[1];

test('aws: a profile of the shared files, which goes before keys of the environment where it is named', async (t) => {
  const env = await emptyHome(t, {
    credentials:
      '[default]\naws_access_key_id=DEFAULT1\naws_secret_access_key=s\n[work]\naws_access_key_id=WORK1\naws_secret_access_key=s\n',
  });
  const options = { provider: 'bedrock', service: 'bedrock' };
  assert.equal(credentialIn(await awsAuthorizer({ ...options, env })(CALL, never)), 'DEFAULT1');
  assert.equal(credentialIn(await awsAuthorizer({ ...options, env: { ...env, ...KEYS } })(CALL, never)), 'AKIDEXAMPLE');
  assert.equal(credentialIn(await awsAuthorizer({ ...options, env: { ...env, ...KEYS, AWS_PROFILE: 'work' } })(CALL, never)), 'WORK1');
});

test('aws: credentials that end are asked for once by all who wait, and kept', async (t) => {
  let asked = 0;
  const container = await serving((_request, response) => {
    asked += 1;
    const Expiration = new Date(Date.now() + 3_600_000).toISOString();
    response.end(JSON.stringify({ AccessKeyId: 'ROLE1', SecretAccessKey: 's', Token: 't', Expiration }));
  });
  t.after(() => container.stop());
  const env = await emptyHome(t);
  process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = container.url;
  t.after(() => delete process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI']);
  const authorize = awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env });
  const proofs = await Promise.all([1, 2, 3, 4].map(() => authorize(CALL, never)));
  proofs.push(await authorize(CALL, never));
  for (const proof of proofs) {
    assert.equal(credentialIn(proof), 'ROLE1');
    assert.equal(proof['x-amz-security-token'], 't');
  }
  assert.equal(asked, 1);
});

test('aws: no credentials are the fault of the server, and the message says what to set', async (t) => {
  const env = await emptyHome(t);
  await assert.rejects(awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env })(CALL, never), (error: unknown) => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.kind, 'internal');
    assert.match(error.message, /^The provider 'bedrock' has no AWS credentials: set AWS_BEARER_TOKEN_BEDROCK, or/);
    return true;
  });
});

test('aws: the signal ends the waiting for credentials', async (t) => {
  const env = await emptyHome(t);
  const controller = new AbortController();
  const reason = new Error('gone');
  const late = await serving((_request, response) => {
    controller.abort(reason);
    response.end(JSON.stringify({ AccessKeyId: 'ROLE1', SecretAccessKey: 's', Token: 't', Expiration: '2100-01-01T00:00:00Z' }));
  });
  t.after(() => late.stop());
  process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = late.url;
  t.after(() => delete process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI']);
  const authorize = awsAuthorizer({ provider: 'bedrock', service: 'bedrock', env });
  await assert.rejects(authorize(CALL, controller.signal), (error) => error === reason);
  await assert.rejects(authorize(CALL, AbortSignal.abort(reason)), (error) => error === reason);
});
