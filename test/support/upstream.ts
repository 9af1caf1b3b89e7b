/**
 * Somebody else's idea of what providers answer: AIMock. A proxy before it keeps what was sent to it, to the byte; AIMock's
 * own journal tells what it understood.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LLMock } from '@copilotkit/aimock';

export type Match = Parameters<LLMock['on']>[0];
export type Options = Parameters<LLMock['on']>[2];

export interface Sent {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Upstream {
  readonly url: string;
  /** What it answers from now on: the newest that fits counts. */
  answer(match: Match, response: unknown, options?: Options): void;
  /** Every POST so far, the latest last. */
  readonly sent: readonly Sent[];
  last(): Sent;
  /** The latest request as AIMock read it: a chat completion's, whatever protocol it came in. */
  understood(): Promise<{ readonly messages: readonly { readonly role: string; readonly content: unknown }[] }>;
  close(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const mock = new LLMock({ port: 0, logLevel: 'silent' });
  await mock.start();
  const sent: Sent[] = [];
  const proxy = createServer((incoming, outgoing) => void pass(incoming, outgoing, { to: mock.url, sent }));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    sent,
    answer(match, response, options = {}) {
      mock.prependFixture({ match, response: response as never, ...options });
    },
    last() {
      const latest = sent.at(-1);
      assert.ok(latest, 'nothing arrived');
      return latest;
    },
    async understood() {
      const answer = await fetch(`${mock.url}/__aimock/journal`);
      const entries = (await answer.json()) as { method: string; body: { messages: { role: string; content: unknown }[] } | null }[];
      const latest = entries.findLast(({ method }) => method === 'POST');
      assert.ok(latest?.body, 'nothing arrived');
      return latest.body;
    },
    async close() {
      proxy.closeAllConnections();
      proxy.close();
      await mock.stop();
    },
  };
}

async function pass(incoming: IncomingMessage, outgoing: ServerResponse, { to, sent }: { to: string; sent: Sent[] }): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  const { method = 'GET', url: path = '/', headers } = incoming;
  if (method === 'POST') sent.push({ path, headers, body: body.toString() });
  const upstream = forward(new URL(path, to), { method, headers });
  upstream.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => outgoing.destroy());
    answer.on('close', () => (answer.complete ? undefined : outgoing.destroy()));
    answer.pipe(outgoing);
  });
  upstream.on('error', () => outgoing.destroy());
  outgoing.on('close', () => upstream.destroy());
  upstream.end(body);
}
