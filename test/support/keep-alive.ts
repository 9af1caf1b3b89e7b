/** Connections of a client that stay open, each of its own: what is asked on one is answered by the same process. */
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface OnConnection {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Connection {
  /** On the connection that there is, or on a new one where the last answer closed it. Rejects where it breaks. */
  ask(
    path: string,
    how?: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown },
  ): Promise<OnConnection>;
  close(): void;
}

export function openConnection(url: string): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    ask: (path, { method = 'GET', headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const more = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
        const asked = request(url + path, { agent, method, headers: { ...more, ...headers } }, (answer) => {
          let heard = '';
          answer.setEncoding('utf8');
          answer.on('data', (chunk: string) => (heard += chunk));
          answer.on('error', reject);
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: heard }));
        });
        asked.on('error', reject);
        asked.end(text);
      }),
    close: () => agent.destroy(),
  };
}
