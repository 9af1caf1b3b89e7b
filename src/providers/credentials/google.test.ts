import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { GatewayError } from '../../core/error.ts';
import { serving } from '../http-testing.ts';
import type { OutgoingCall } from '../provider.ts';
import { googleAuthorizer } from './google.ts';

const CALL: OutgoingCall = { url: 'https://aiplatform.googleapis.com/v1', method: 'POST', headers: {}, body: '{}' };
const never = new AbortController().signal;
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

interface TokenServer {
  readonly url: string;
  readonly asked: URLSearchParams[];
}

/** Gives `token-1`, `token-2` and so on, good for so many seconds, or answers with an error. */
async function tokens(t: TestContext, answer: { expiresIn?: number; status?: number; body?: string } = {}): Promise<TokenServer> {
  const asked: URLSearchParams[] = [];
  const server = await serving((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      asked.push(new URLSearchParams(body));
      const token = { access_token: `token-${asked.length}`, expires_in: answer.expiresIn ?? 3600, token_type: 'Bearer' };
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', 'metadata-flavor': 'Google' });
      response.end(answer.body ?? JSON.stringify(token));
    });
  });
  t.after(() => server.stop());
  return { url: `${server.url}/token`, asked };
}

const account = (tokenUrl: string, more: Record<string, string> = {}): string =>
  JSON.stringify({
    type: 'service_account',
    client_email: 'robot@project.test',
    private_key: PEM,
    private_key_id: 'id1',
    token_uri: tokenUrl,
    ...more,
  });

async function file(t: TestContext, content: string): Promise<{ GOOGLE_APPLICATION_CREDENTIALS: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-google-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'key.json');
  await writeFile(path, content);
  return { GOOGLE_APPLICATION_CREDENTIALS: path };
}

async function failureOf(promise: Promise<unknown>): Promise<GatewayError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof GatewayError, String(error));
  const chain = `${error.message} ${String(error.cause)} ${JSON.stringify(error.cause)}`;
  assert.ok(!chain.includes('PRIVATE KEY') && !/eyJ[\w-]{20}/.test(chain), 'neither the key nor what it signed is in the error');
  return error;
}

test('google: a key that is an access token is sent as it is', async () => {
  const authorize = googleAuthorizer({ provider: 'vertex', env: {}, key: { reveal: () => 'ya29.abc\n' } });
  assert.deepEqual(await authorize(CALL, never), { authorization: 'Bearer ya29.abc' });
});

test("google: a service account's key file gets a token from the address it names, once for all who wait", async (t) => {
  const server = await tokens(t);
  const env = await file(t, account(server.url, { quota_project_id: 'billed' }));
  const authorize = googleAuthorizer({ provider: 'vertex', env });
  const proofs = await Promise.all([1, 2, 3, 4].map(() => authorize(CALL, never)));
  proofs.push(await authorize(CALL, never));
  for (const proof of proofs) assert.deepEqual(proof, { authorization: 'Bearer token-1', 'x-goog-user-project': 'billed' });
  assert.equal(server.asked.length, 1);

  const form = server.asked[0];
  assert.equal(form?.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
  const [head = '', claims = '', signature = ''] = String(form?.get('assertion')).split('.');
  assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url')));
  const { iss, aud, scope } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  assert.deepEqual({ iss, aud }, { iss: 'robot@project.test', aud: server.url });
  assert.match(String(scope), /auth\/cloud-platform$/);
});

test('google: a token that ends soon is renewed', async (t) => {
  const server = await tokens(t, { expiresIn: 200 });
  const authorize = googleAuthorizer({ provider: 'vertex', env: await file(t, account(server.url)) });
  assert.equal((await authorize(CALL, never))['authorization'], 'Bearer token-1');
  assert.equal((await authorize(CALL, never))['authorization'], 'Bearer token-2');
});

test("google: the key file's text may be given itself, with line ends escaped once too often", async (t) => {
  const server = await tokens(t);
  const text = account(server.url, { private_key: PEM.replaceAll('\n', '\\n') });
  const authorize = googleAuthorizer({ provider: 'vertex', env: {}, key: { reveal: () => ` ${text}` } });
  assert.equal((await authorize(CALL, never))['authorization'], 'Bearer token-1');
});

test('google: credentials that are refused are the fault of the server, a token server that fails is not', async (t) => {
  const refusing = await tokens(t, { status: 400, body: '{"error":"invalid_grant","error_description":"Invalid JWT Signature."}' });
  const refused = await failureOf(googleAuthorizer({ provider: 'vertex', env: await file(t, account(refusing.url)) })(CALL, never));
  assert.deepEqual([refused.kind, refused.message], ['internal', "The provider 'vertex' has Google Cloud credentials that were refused."]);
  assert.match(String(refused.cause), /Invalid JWT Signature/);

  const gone = await serving(() => undefined);
  await gone.stop();
  const authorize = googleAuthorizer({ provider: 'vertex', env: await file(t, account(`${gone.url}/token`)) });
  const unreached = await failureOf(authorize(CALL, never));
  assert.deepEqual([unreached.kind, unreached.retryable], ['upstream', true]);
});

test('google: a failure is not kept, the next request asks again', async (t) => {
  const answer: { status?: number; body?: string } = { status: 403, body: '{}' };
  const server = await tokens(t, answer);
  const authorize = googleAuthorizer({ provider: 'vertex', env: await file(t, account(server.url)) });
  await failureOf(authorize(CALL, never));
  delete answer.status;
  delete answer.body;
  assert.equal((await authorize(CALL, never))['authorization'], 'Bearer token-2');
});

test('google: key files that cannot be used, each by what is wrong with it', async (t) => {
  const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/key.json' }, /GOOGLE_APPLICATION_CREDENTIALS must name a file/],
    [await file(t, `{"private_key": "${PEM}"`), /credentials that are no JSON/],
    [await file(t, '{"type":"service_account","client_email":"a@b"}'), /without client_email or private_key/],
    [await file(t, account('http://127.0.0.1:9/', { private_key: 'nothing' })), /private key cannot be read/],
  ];
  for (const [env, message] of cases) {
    const error = await failureOf(googleAuthorizer({ provider: 'vertex', env })(CALL, never));
    assert.equal(error.kind, 'internal');
    assert.match(error.message, message);
  }
});

test("google: without a key file, the machine's own service account", async (t) => {
  const metadata = await tokens(t);
  const home = await mkdtemp(join(tmpdir(), 'parlance-home-'));
  const own = { HOME: home, APPDATA: home, GCE_METADATA_HOST: new URL(metadata.url).host, METADATA_SERVER_DETECTION: 'assume-present' };
  const before = { ...process.env };
  delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
  Object.assign(process.env, own);
  t.after(async () => {
    for (const name of Object.keys(own)) delete process.env[name];
    Object.assign(process.env, before);
    await rm(home, { recursive: true });
  });
  const { authorization } = await googleAuthorizer({ provider: 'vertex', env: {} })(CALL, never);
  assert.match(String(authorization), /^Bearer token-\d$/);
});

test('google: the signal ends the waiting for a token', async (t) => {
  const controller = new AbortController();
  const reason = new Error('gone');
  const silent = await serving(() => controller.abort(reason));
  t.after(() => silent.stop());
  const authorize = googleAuthorizer({ provider: 'vertex', env: await file(t, account(`${silent.url}/token`)) });
  await assert.rejects(authorize(CALL, controller.signal), (error) => error === reason);
});
