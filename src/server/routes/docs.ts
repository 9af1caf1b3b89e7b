import { createHash } from 'node:crypto';
import { fastify } from 'fastify';
import { answer } from '../answer.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from './route.ts';

interface Reference {
  readonly page: Buffer;
  readonly script: Buffer;
  readonly etag: string;
}

/** Nothing comes from elsewhere, and nothing goes there: the page works offline and "try it" calls this server only. */
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "frame-ancestors 'none'",
  "base-uri 'self'",
].join('; ');

/** `GET /docs/`: an interactive reference on `/openapi.json`, and the one script it needs. */
export function docs(): readonly Route[] {
  let loading: Promise<Reference> | undefined;
  const load = async (): Promise<Reference> => {
    loading ??= loadReference();
    try {
      return await loading;
    } catch (cause) {
      loading = undefined;
      throw cause;
    }
  };
  const page = async (exchange: Exchange): Promise<void> => {
    const [path = ''] = (exchange.request.url ?? '').split('?', 1);
    // the page names its script and the description relative to itself, so that it works under any prefix
    if (!path.endsWith('/')) return answer(exchange, exchange.service.server, { status: 308, headers: { location: 'docs/' } });
    const { page: body } = await load();
    answer(exchange, exchange.service.server, {
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY, 'cache-control': 'no-cache' },
      body,
    });
  };
  const script = async (exchange: Exchange): Promise<void> => {
    const { script: body, etag } = await load();
    if (exchange.request.headers['if-none-match'] === etag)
      return answer(exchange, exchange.service.server, { status: 304, headers: { etag } });
    answer(exchange, exchange.service.server, {
      status: 200,
      headers: { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache', etag },
      body,
    });
  };
  return [
    { method: 'GET', paths: ['/docs'], access: 'open', level: 'debug', handle: page },
    { method: 'GET', paths: ['/docs/js/scalar.js'], access: 'open', level: 'debug', handle: script },
  ];
}

/** Without it browsers ask for /favicon.ico, and report that there is none. */
const NO_ICON = '<link rel="icon" href="data:," />';

/** Scalar's plugin, asked once in a Fastify of its own: it holds 5 MB, which only those pay who open the page. */
async function loadReference(): Promise<Reference> {
  const { default: scalar } = await import('@scalar/fastify-api-reference');
  const app = fastify();
  await app.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      url: '../openapi.json',
      pageTitle: 'Parlance API reference',
      withDefaultFonts: false,
      telemetry: false,
      proxyUrl: '',
      hideClientButton: true,
      agent: { disabled: true },
      mcp: { disabled: true },
      showDeveloperTools: 'never',
      persistAuth: false,
      // beside the group of operations on models, which is called Models as well
      modelsSectionLabel: 'Schemas',
      defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
    },
  });
  const [page, script] = await Promise.all([app.inject('/docs/'), app.inject('/docs/js/scalar.js')]);
  await app.close();
  const etag = `"${createHash('sha256').update(script.rawPayload).digest('base64url')}"`;
  return { page: Buffer.from(page.body.replace('</title>', `</title>${NO_ICON}`)), script: script.rawPayload, etag };
}
