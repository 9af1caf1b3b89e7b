/** One who is asked: where, by which headers, with which body; and whether the answer is right. */
import { SHORT, WORDS } from './answers.ts';

export interface Asked {
  readonly name: string;
  /** The whole address: `http://127.0.0.1:8000/v1/chat/completions`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly stream: boolean;
  /** Of the process that is measured; absent for the upstream itself. */
  readonly pid: number | undefined;
}

/** The headers of a request with a key. */
export const headersOf = (key: string, stream: boolean): Readonly<Record<string, string>> => ({
  'content-type': 'application/json',
  authorization: `Bearer ${key}`,
  accept: stream ? 'text/event-stream' : 'application/json',
});

/** Why an answer is none; undefined for a right one. */
export async function wrongness({ url, headers, body, stream }: Asked): Promise<string | undefined> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(30_000) });
    const text = await response.text();
    // not everybody closes every stream with [DONE]
    const whole = stream ? wordsIn(text) === WORDS && /"finish_reason": ?"stop"/.test(text) : text.includes(SHORT);
    return response.status === 200 && whole ? undefined : `answered ${response.status}: ${text.slice(-300)}`;
  } catch (cause) {
    return cause instanceof Error ? `${cause.message}${cause.cause instanceof Error ? `: ${cause.cause.message}` : ''}` : String(cause);
  }
}

/** Chunks that hold a word, which begin with a space. */
const wordsIn = (text: string): number => text.split(/"content": ?" /).length - 1;
