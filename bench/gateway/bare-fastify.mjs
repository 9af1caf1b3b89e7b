// The same with Fastify for the server's side and undici's `request` for the client's, as most people would write it.
//   node bare-fastify.mjs PORT UPSTREAM TIMED
import { fastify } from 'fastify';
import { Pool } from 'undici';

const [port, upstream, forTimed] = process.argv.slice(2);
const constant = new Pool(upstream, { headersTimeout: 60_000 });
const timed = new Pool(forTimed, { headersTimeout: 60_000 });

const app = fastify({ logger: false, bodyLimit: 32 * 1024 * 1024 });
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/*', async (request, reply) => {
  const { accept, authorization } = request.headers;
  const pool = request.url.startsWith('/paced') || request.url.startsWith('/held') ? timed : constant;
  const { statusCode, headers, body } = await pool.request({
    method: 'POST',
    path: request.url,
    headers: { 'content-type': 'application/json', ...(accept ? { accept } : {}), ...(authorization ? { authorization } : {}) },
    body: /** @type {Buffer} */ (request.body),
  });
  reply.code(statusCode).header('content-type', headers['content-type']);
  return reply.send(body);
});
await app.listen({ host: '127.0.0.1', port: Number(port), backlog: 8192 });
