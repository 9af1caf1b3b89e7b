/** Somebody else's idea of what providers answer, and of what they were asked: AIMock, on a port of its own. */
import assert from 'node:assert/strict';
import { LLMock } from '@copilotkit/aimock';

export type Fixture = Parameters<LLMock['on']>[1];
export type Match = Parameters<LLMock['on']>[0];
export type Options = Parameters<LLMock['on']>[2];

export interface Journaled {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly status: number;
}

export interface Upstream {
  readonly url: string;
  /** What it answers from now on: the newest that fits counts. */
  answer(match: Match, response: Fixture, options?: Options): void;
  /** Every request for an answer so far, the latest last. */
  requests(): Promise<readonly Journaled[]>;
  last(): Promise<Journaled>;
  close(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const mock = new LLMock({ port: 0, logLevel: 'silent' });
  await mock.start();
  const requests = async (): Promise<readonly Journaled[]> => {
    const answer = await fetch(`${mock.url}/__aimock/journal?limit=1000`);
    const entries = (await answer.json()) as {
      method: string;
      path: string;
      headers: Record<string, string>;
      body: Record<string, unknown> | null;
      response: { status: number };
    }[];
    return entries
      .filter(({ method }) => method === 'POST')
      .map(({ path, headers, body, response }) => ({ path, headers, body: body ?? {}, status: response.status }));
  };
  return {
    url: mock.url,
    answer(match, response, options = {}) {
      mock.prependFixture({ match, response: response as never, ...options });
    },
    requests,
    async last() {
      const entry = (await requests()).at(-1);
      assert.ok(entry, 'nothing arrived');
      return entry;
    },
    close: () => mock.stop(),
  };
}
