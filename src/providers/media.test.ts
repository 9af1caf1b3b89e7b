import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ChatRequest } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import { serving } from './http-testing.ts';
import type { Running } from './http-testing.ts';
import { createImageFetcher } from './image-fetcher.ts';
import type { FetcherOptions } from './image-fetcher.ts';
import { inlineImages } from './media.ts';
import type { InlineOptions } from './media.ts';
import { parseChatRequest } from '../protocols/openai-chat/accept.ts';

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const PNG_URL = `data:image/png;base64,${PNG.toString('base64')}`;

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

async function server(t: TestContext, listener: Listener): Promise<Running> {
  const started = await serving((request, response) => void listener(request, response));
  t.after(() => started.stop());
  return started;
}

function asking(...urls: readonly string[]): ChatRequest {
  const content = urls.map((url) => ({ type: 'image_url', image_url: { url, detail: 'low' } }));
  return parseChatRequest(
    { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'see' }, ...content] }] },
    { strict: false },
  );
}

interface Settings extends Partial<FetcherOptions>, Partial<Omit<InlineOptions, 'fetcher'>> {}

async function inline(t: TestContext, request: ChatRequest, settings: Settings = {}): Promise<ChatRequest> {
  const fetcher = createImageFetcher({ userAgent: 'parlance/0', allowPrivate: true, ...settings });
  t.after(() => fetcher.close());
  return inlineImages(request, { fetcher, signal: new AbortController().signal, ...settings });
}

function urlsIn(request: ChatRequest): unknown[] {
  return request.messages.flatMap(({ blocks }) => blocks.flatMap((block) => (block.type === 'image' ? [block.url] : [])));
}

interface RawBody {
  readonly messages: readonly { readonly content: readonly { readonly image_url?: { readonly url: string } }[] }[];
}
const rawUrls = (request: ChatRequest): unknown[] =>
  (request.raw as unknown as RawBody).messages.flatMap(({ content }) => content.flatMap((part) => part.image_url?.url ?? []));

const refused = async (promise: Promise<unknown>, message: RegExp, param = 'messages[0].content[1].image_url.url'): Promise<string> => {
  const error = await promise.then(
    () => assert.fail('not refused'),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof GatewayError, String(error));
  assert.match(error.message, message);
  assert.deepEqual([error.kind, error.status, error.param], ['invalid_value', 400, param]);
  return error.message;
};

test('media: images by URL become data URLs in the messages and in the body, others stay', async (t) => {
  const web = await server(t, (_request, response) => response.end(PNG));
  const given = asking('data:image/gif;base64,AA', `${web.url}/a.png`);
  const before = structuredClone(given.raw);
  const result = await inline(t, given);
  assert.deepEqual(urlsIn(result), ['data:image/gif;base64,AA', PNG_URL]);
  assert.deepEqual(rawUrls(result), ['data:image/gif;base64,AA', PNG_URL]);
  const detail = result.messages[0]?.blocks.map((block) => (block.type === 'image' ? block.detail : block.type));
  assert.deepEqual(detail, ['text', 'low', 'low']);
  assert.deepEqual(given.raw, before, 'the given body is as it was');
  assert.deepEqual(urlsIn(given), ['data:image/gif;base64,AA', `${web.url}/a.png`]);
});

test('media: a request without images by URL is returned as it is', async (t) => {
  const given = asking('data:image/gif;base64,AA');
  assert.equal(await inline(t, given), given);
});

test('media: one URL is fetched once, and four at most at a time', async (t) => {
  const waiting: ServerResponse[] = [];
  let most = 0;
  let asked = 0;
  const web = await server(t, (_request, response) => {
    asked += 1;
    waiting.push(response);
    most = Math.max(most, waiting.length);
    // answered when no fifth can be on its way any more
    if (waiting.length === 4 || asked > 4) for (const one of waiting.splice(0)) one.end(PNG);
  });
  const urls = [1, 2, 3, 4, 5, 6].map((n) => `${web.url}/${n}`);
  const result = await inline(t, asking(...urls, ...urls));
  assert.deepEqual(
    urlsIn(result),
    Array.from({ length: 12 }, () => PNG_URL),
  );
  assert.equal(asked, 6);
  assert.equal(most, 4);
});

test('media: the type is read from the first bytes, whatever the server says', async (t) => {
  const kinds: Readonly<Record<string, Buffer>> = {
    'image/png': PNG,
    'image/jpeg': Buffer.from('ffd8ffe000104a464946', 'hex'),
    'image/gif': Buffer.from('GIF89a\x01\x00', 'latin1'),
    'image/webp': Buffer.from('RIFF\x0a\x0d\x00\x00WEBPVP8 ', 'latin1'),
  };
  const web = await server(t, (request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(kinds[String(request.url).slice(1)]);
  });
  const result = await inline(t, asking(...Object.keys(kinds).map((kind) => `${web.url}/${kind}`)));
  assert.deepEqual(
    urlsIn(result).map((url) => /^data:([^;]+);/.exec(String(url))?.[1]),
    Object.keys(kinds),
  );
});

test('media: what is no image is refused, an SVG too', async (t) => {
  const bodies = ['<svg xmlns="http://www.w3.org/2000/svg"/>', '<html></html>', '', 'BM\x00', 'RIFF\0\0\0\0WAVE'];
  for (const body of bodies) {
    const web = await server(t, (_request, response) => response.setHeader('content-type', 'image/png').end(body));
    await refused(inline(t, asking(web.url)), /it is not a PNG, JPEG, GIF or WebP image/);
  }
});

test('media: private addresses, ports, names and dead hosts are refused with the same words, and never asked', async (t) => {
  const web = await server(t, (_request, response) => response.end(PNG));
  const resolve: FetcherOptions['resolve'] = (hostname, _options, callback) => {
    const known: Readonly<Record<string, string[]>> = { 'inside.test': ['10.0.0.7', '127.0.0.1'], 'mapped.test': ['::ffff:127.0.0.1'] };
    const addresses = known[hostname];
    if (addresses)
      callback(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    else callback(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }), []);
  };
  const urls = [
    'http://127.0.0.1/',
    `${web.url}/`,
    `http://8.8.8.8:${web.port}/`,
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://inside.test/',
    'https://mapped.test/',
    'http://nowhere.test/',
  ];
  const messages = new Set<string>();
  for (const url of urls)
    messages.add(await refused(inline(t, asking(url), { allowPrivate: false, resolve }), /cannot be reached.*or may not be/));
  assert.equal(messages.size, 1);
  assert.equal(web.connections(), 0);
});

test('media: the address that was checked is the one connected to', async (t) => {
  const web = await server(t, (_request, response) => response.end(PNG));
  const answers = [['127.0.0.1'], ['127.0.0.2']];
  const seen: string[] = [];
  const settings: Settings = {
    resolve: (_hostname, _options, callback) => {
      callback(
        null,
        (answers.shift() ?? []).map((address) => ({ address, family: 4 })),
      );
    },
    mayConnect(address) {
      seen.push(address);
      return address === '127.0.0.1';
    },
  };
  assert.deepEqual(urlsIn(await inline(t, asking(`http://name.test:${web.port}/`), settings)), [PNG_URL]);
  await refused(inline(t, asking(`http://name.test:${web.port}/`), settings), /cannot be reached/);
  assert.deepEqual(seen, ['127.0.0.1', '127.0.0.2']);
});

test('media: redirects are followed three times, and each is checked anew', async (t) => {
  const web = await server(t, (request, response) => {
    const left = Number(String(request.url).slice(1));
    if (left > 0) response.writeHead(302, { location: `/${left - 1}` }).end();
    else response.end(PNG);
  });
  assert.deepEqual(urlsIn(await inline(t, asking(`${web.url}/3`))), [PNG_URL]);
  await refused(inline(t, asking(`${web.url}/4`)), /redirects more than 3 times/);

  const inside = await server(t, () => assert.fail('asked inside'));
  const targets = [`http://127.0.0.2:${inside.port}/`, `http://ann:pw@127.0.0.1:${inside.port}/`, 'file:///etc/passwd', 'gopher://x'];
  for (const location of targets) {
    const leading = await server(t, (_request, response) => response.writeHead(301, { location }).end());
    await refused(
      inline(t, asking(leading.url), { mayConnect: (address) => address === '127.0.0.1' }),
      /cannot be reached|user name|not an http/,
    );
  }
  assert.equal(inside.connections(), 0);
});

test('media: names and passwords in an address are refused', async (t) => {
  await refused(inline(t, asking('http://ann:pw@127.0.0.1/')), /user name or password/);
});

test('media: a status without success is told, a dead server is not told from a forbidden one', async (t) => {
  const web = await server(t, (_request, response) => response.writeHead(403).end());
  await refused(inline(t, asking(web.url)), /answers with status 403/);
  await web.stop();
  await refused(inline(t, asking(web.url)), /cannot be reached/);
  const cut = await server(t, (_request, response) => response.destroy());
  await refused(inline(t, asking(cut.url)), /cannot be reached/);
});

test('media: size limits hold for what is announced, for what comes, and for all together', async (t) => {
  const web = await server(t, (request, response) => {
    if (request.url === '/announced') response.setHeader('content-length', 5000);
    response.write(PNG);
    if (request.url !== '/small') response.write('x'.repeat(4000));
    if (request.url !== '/announced') response.end();
  });
  await refused(inline(t, asking(`${web.url}/announced`), { maxBytes: 1000 }), /more than 1000 bytes/);
  await refused(inline(t, asking(`${web.url}/chunked`), { maxBytes: 1000 }), /more than 1000 bytes/);
  const two = asking(`${web.url}/small`, `${web.url}/small?2`);
  assert.equal(urlsIn(await inline(t, two, { maxTotalBytes: 2 * 4016 })).length, 2);
  await assert.rejects(inline(t, two, { maxTotalBytes: 4015 }), /may have 4015 bytes together/);
});

test('media: more images than allowed are refused before any is fetched, the first too many by name', async (t) => {
  const web = await server(t, () => assert.fail('asked'));
  const urls = [1, 2, 3].map((n) => `${web.url}/${n}`);
  await refused(inline(t, asking(...urls), { maxImages: 2 }), /2 images by URL/, 'messages[0].content[3].image_url.url');
});

test('media: a slow server is given up after the time for one image', async (t) => {
  const web = await server(t, (_request, response) => void response.write(PNG));
  await refused(inline(t, asking(web.url), { timeoutMs: 30 }), /within 30 ms/);
});

test('media: the signal ends it with its own reason', async (t) => {
  const controller = new AbortController();
  const reason = new Error('gone');
  const web = await server(t, () => controller.abort(reason));
  await assert.rejects(inline(t, asking(web.url), { signal: controller.signal }), (error) => error === reason);
});

test('media: the first failure ends the others', async (t) => {
  let hung: ServerResponse | undefined;
  const web = await server(t, (request, response) => {
    if (request.url === '/hangs') hung = response;
    else if (hung) response.writeHead(404).end();
    else response.writeHead(302, { location: '/again' }).end();
  });
  await refused(inline(t, asking(`${web.url}/hangs`, `${web.url}/x`)), /status 404/, 'messages[0].content[2].image_url.url');
  const closed = new Promise((resolve) => void hung?.once('close', resolve));
  if (hung?.closed === false) await closed;
});
