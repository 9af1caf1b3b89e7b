/** Four streams run when somebody comes with a long prompt: how long do they wait for their tokens, and he for his first? */
import { bodiesOf } from './cases.ts';
import type { Bodies, ChatBody } from './cases.ts';
import { streamed } from './streamed.ts';

export interface Arrival {
  /** Milliseconds between tokens of the four streams, from when the long prompt was sent until its answer ended. */
  readonly gaps: readonly number[];
  readonly firstTokenMs: number;
}

const RUNNING = { name: 'running', streams: 4, extra: {}, mayEnd: false, tokens: 256 };
const LONG = { name: 'long', streams: 1, extra: {}, mayEnd: false, tokens: 4, long: true };
/** All four generate by then. */
const HEAD_START_MS = 1500;

/** `change` makes of a body what this server needs. */
export async function arrival(base: string, bodies: Bodies, change: (body: ChatBody) => ChatBody): Promise<Arrival> {
  const running = bodiesOf(RUNNING, bodies).map((body) => streamed(base, change(body)));
  const later = new Promise((resolve) => setTimeout(resolve, HEAD_START_MS));
  const [long = {}] = bodiesOf(LONG, bodies);
  const came = later.then(() => streamed(base, change(long)));
  const [{ startedAt, firstAt, endedAt }, ...others] = await Promise.all([came, ...running]);
  const gaps = others.flatMap(({ textAt }) =>
    textAt.slice(1).flatMap((at, before) => {
      const from = textAt[before] ?? at;
      return at > startedAt && from < endedAt ? [at - from] : [];
    }),
  );
  return { gaps, firstTokenMs: firstAt - startedAt };
}
