/** How long a user waits after `parlance serve`: until it listens, and until the first token of the first request. */
import { bodiesOf } from './cases.ts';
import { MODEL, startParlance } from './candidates.ts';
import { streamed } from './streamed.ts';

export interface ColdStart {
  readonly listeningMs: number;
  /** From the start of the process; the request is sent as soon as somebody listens, and the model is loaded for it. */
  readonly firstTokenMs: number;
}

export async function coldStart(): Promise<ColdStart> {
  const server = await startParlance();
  try {
    const [body = {}] = bodiesOf(
      { name: 'cold', streams: 1, extra: {}, mayEnd: false, tokens: 8 },
      { model: MODEL, most: 8, endTokens: [] },
    );
    const { firstAt } = await streamed(server.base, body);
    return { listeningMs: server.listeningMs, firstTokenMs: firstAt - server.startedAt };
  } finally {
    await server.stop();
  }
}
