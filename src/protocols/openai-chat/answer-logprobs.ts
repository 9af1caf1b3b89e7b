/** Log probabilities, in the contract's form and in the older one of parallel lists. */
import type { TokenLogprob, TopLogprob } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';

/** The tokens of a choice's content or refusal; undefined where it reports none. */
export function readLogprobs(value: unknown): readonly TokenLogprob[] | undefined {
  if (value === null || value === undefined) return undefined;
  const { content, refusal, tokens, token_logprobs: values, top_logprobs: top } = fields(value);
  if (Array.isArray(tokens)) return readLists(tokens, list(values), list(top));
  const found = [...list(content), ...list(refusal)];
  return found.length > 0 ? found.flatMap(readToken) : undefined;
}

function readToken(value: unknown): TokenLogprob[] {
  const top = list(fields(value)['top_logprobs']).flatMap(readTop);
  return readTop(value).map((token) => ({ ...token, top }));
}

function readTop(value: unknown): TopLogprob[] {
  const { token, logprob, bytes } = fields(value);
  const spelled = text(token);
  if (spelled === undefined || typeof logprob !== 'number') return [];
  return [{ token: spelled, logprob, bytes: readBytes(bytes) }];
}

function readBytes(value: unknown): readonly number[] | null {
  if (!Array.isArray(value)) return null;
  const bytes = list(value).filter((item) => typeof item === 'number');
  return bytes.length === value.length ? bytes : null;
}

function readLists(tokens: readonly unknown[], values: readonly unknown[], top: readonly unknown[]): readonly TokenLogprob[] | undefined {
  const read = tokens.flatMap((token, at): TokenLogprob[] => {
    const logprob = values[at];
    if (typeof token !== 'string' || typeof logprob !== 'number') return [];
    const others = Object.entries(fields(top[at])).flatMap(([other, value]): TopLogprob[] =>
      typeof value === 'number' ? [{ token: other, logprob: value, bytes: null }] : [],
    );
    return [{ token, logprob, bytes: null, top: others }];
  });
  return read.length > 0 ? read : undefined;
}
