/** Log probabilities of output text. */
import type { TokenLogprob, TopLogprob } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';

const utf8 = new TextEncoder();

/** Undefined where there are none. */
export function readLogprobs(value: unknown): readonly TokenLogprob[] | undefined {
  const tokens = list(value);
  if (tokens.length === 0) return undefined;
  return tokens.map((token) => ({ ...readOne(token), top: list(fields(token).top_logprobs).map(readOne) }));
}

function readOne(value: unknown): TopLogprob {
  const { token, logprob, bytes } = fields(value);
  const told = text(token) ?? '';
  return {
    token: told,
    logprob: typeof logprob === 'number' ? logprob : -Infinity,
    bytes: Array.isArray(bytes) ? numbers(bytes) : bytesOf(told),
  };
}

const numbers = (bytes: readonly unknown[]): number[] => bytes.filter((byte) => typeof byte === 'number');

/** Streams leave the bytes out. A token that is no whole character is spelled with escapes or a stand-in: then nobody knows. */
function bytesOf(token: string): readonly number[] | null {
  return token.includes('\ufffd') || token.includes('\\x') ? null : [...utf8.encode(token)];
}
