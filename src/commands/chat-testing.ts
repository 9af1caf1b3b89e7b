/** A server for tests of the terminal conversation: speaks the API, answers what it is told. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export type Reply =
  | { readonly text: string; readonly reasoning?: string; readonly finish?: string }
  /** Sends this and leaves the stream open. */
  | { readonly hang: string }
  /** Sends this and ends the connection without an end of the stream. */
  | { readonly cut: string }
  | { readonly status: number; readonly body: unknown }
  /** Fails after the text, inside the stream. */
  | { readonly failing: string; readonly message: string };

export interface SentRequest {
  readonly body: { readonly model: string; readonly messages: readonly { role: string; content: string }[] } & Readonly<
    Record<string, unknown>
  >;
  readonly authorization: string | undefined;
  /** Fires when the client has gone away. */
  readonly gone: Promise<void>;
}

export interface FakeServer {
  readonly url: string;
  readonly port: number;
  readonly requests: SentRequest[];
  /** Answers in order; what is left out is `{ text: 'ok' }`. */
  readonly replies: Reply[];
  close(): Promise<void>;
}

/** An id, or what a server says of a model. */
export type FakeModel = string | { readonly id: string; readonly provider?: string };

export interface FakeServerOptions {
  readonly models?: readonly FakeModel[];
  /** Models that it knows and does not list. */
  readonly unlisted?: readonly FakeModel[];
  /** What `/health` says; by default what Parlance says. */
  readonly health?: unknown;
}

export async function startFakeServer({
  models = ['first', 'second/large'],
  unlisted = [],
  health,
}: FakeServerOptions = {}): Promise<FakeServer> {
  const requests: SentRequest[] = [];
  const replies: Reply[] = [];
  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const named = (path: string | undefined) =>
    [...models, ...unlisted].map(entryOf).find(({ id }) => decodeURIComponent(path ?? '') === `/v1/models/${id}`);
  const server = createServer((request, response) => {
    if (request.url === '/health') json(response, 200, health ?? { status: 'ok', version: '9.9.9' });
    else if (request.url === '/ready') json(response, 200, { status: 'ready', engines: [] });
    else if (request.url === '/v1/models') json(response, 200, { object: 'list', data: models.map(entryOf) });
    else if (named(request.url)) json(response, 200, named(request.url));
    else if (request.url === '/v1/chat/completions') void complete(request, response);
    else json(response, 404, { error: { message: 'no such page', type: 'invalid_request_error', param: null, code: 'unknown_url' } });
  });
  const complete = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const gone = new Promise<void>((resolve) => response.once('close', resolve));
    const body = JSON.parse(Buffer.concat(chunks).toString()) as SentRequest['body'];
    requests.push({ body, authorization: request.headers.authorization, gone });
    const reply = replies.shift() ?? { text: 'ok' };
    if ('status' in reply) {
      json(response, reply.status, reply.body);
      return;
    }
    stream(response, reply);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    replies,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const entryOf = (model: FakeModel) => ({ object: 'model', ...(typeof model === 'string' ? { id: model } : model) });

function stream(response: ServerResponse, reply: Exclude<Reply, { readonly status: number }>): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const frame = (value: unknown): void => void response.write(`data: ${JSON.stringify(value)}\n\n`);
  const chunk = (delta: unknown, finish: string | null = null): void =>
    frame({ choices: [{ index: 0, delta, finish_reason: finish }], usage: null });
  chunk({ role: 'assistant', content: '', refusal: null });
  if ('reasoning' in reply) chunk({ reasoning_content: reply.reasoning });
  const text = 'text' in reply ? reply.text : 'hang' in reply ? reply.hang : 'cut' in reply ? reply.cut : reply.failing;
  for (const word of text.split(/(?<= )/)) chunk({ content: word });
  if ('hang' in reply) return;
  if ('failing' in reply) frame({ error: { message: reply.message, type: 'server_error', param: null, code: null } });
  if ('text' in reply) {
    chunk({}, reply.finish ?? 'stop');
    frame({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } });
    response.write('data: [DONE]\n\n');
  }
  response.end();
}
