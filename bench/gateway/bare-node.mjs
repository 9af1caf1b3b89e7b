// The yardstick: node:http takes the body, undici's dispatch sends it on, the answer goes back as it comes. It looks at nothing.
//   node bare-node.mjs PORT UPSTREAM TIMED      TIMED: another upstream, for paced and held streams
import { createServer } from 'node:http';
import { Pool } from 'undici';

const [port, ...upstreams] = process.argv.slice(2);
const [constant, timed] = upstreams.map((url) => new Pool(url, { headersTimeout: 60_000 }));
const poolOf = (path) => (path.startsWith('/paced') || path.startsWith('/held') ? timed : constant);

function send(request, response, body) {
  const { accept, authorization } = request.headers;
  const headers = { 'content-type': 'application/json' };
  if (accept) headers.accept = accept;
  if (authorization) headers.authorization = authorization;
  let call;
  response.on('close', () => response.writableFinished || call?.abort(new Error('the client has left')));
  poolOf(request.url).dispatch(
    { method: 'POST', path: request.url, headers, body },
    {
      onRequestStart(controller) {
        call = controller;
      },
      onResponseStart(_controller, status, answered) {
        const length = answered['content-length'];
        response.writeHead(status, { 'content-type': answered['content-type'], ...(length ? { 'content-length': length } : {}) });
      },
      onResponseData(controller, bytes) {
        if (response.write(bytes)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        if (response.headersSent) return response.destroy();
        response.writeHead(502).end();
      },
    },
  );
}

createServer({ noDelay: true }, (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => send(request, response, parts.length === 1 ? parts[0] : Buffer.concat(parts)));
}).listen({ port: Number(port), host: '127.0.0.1', backlog: 8192 });
