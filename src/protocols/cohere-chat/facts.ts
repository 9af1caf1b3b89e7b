/** What whole answers and streams have in common: counts, reasons, citations, log probabilities, errors. */
import type { Annotation, StopReason, TokenLogprob, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError, retryAfterOf } from '../failure.ts';
import { count, fields, list, text } from '../json.ts';
import type { Failure } from '../wire.ts';

/**
 * `tokens` is what the model read and wrote, the provider's own preamble included; `billed_units` leaves that out.
 * Cached tokens are counted among `tokens` and may be more than the billed ones, so `tokens` it is; the billed units
 * stand in where there are no others. What was spent on thinking is part of the output and not told apart.
 */
export function readUsage(value: unknown): Usage | undefined {
  const usage = fields(value);
  const billed = fields(usage['billed_units']);
  const tokens = fields(usage['tokens']);
  const promptTokens = count(tokens['input_tokens']) ?? count(billed['input_tokens']);
  const completionTokens = count(tokens['output_tokens']) ?? count(billed['output_tokens']);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  const cachedTokens = Math.min(count(usage['cached_tokens']) ?? 0, promptTokens);
  const searches = count(billed['search_units']) ?? 0;
  return {
    promptTokens,
    completionTokens,
    cachedTokens,
    reasoningTokens: 0,
    ...(searches > 0 ? { providerTools: { search: searches } } : {}),
  };
}

/** How an answer ended. Throws where it failed: `upstream_timeout` for its own time limit, else `upstream`. */
export function readReason(finish: unknown, called: boolean, message?: string): StopReason {
  const reason = text(finish)?.toUpperCase();
  switch (reason) {
    case 'MAX_TOKENS':
      return 'length';
    case 'ERROR_TOXIC':
      return 'content_filter';
    case 'TIMEOUT':
      throw new GatewayError('upstream_timeout', message ?? 'The provider stopped the answer at its own time limit.');
    case 'ERROR_LIMIT':
      throw new GatewayError('upstream', message ?? 'The answer went beyond what the model can hold.');
    case 'ERROR':
    case 'USER_CANCEL':
      throw failed(message);
    default:
      if (reason === undefined && message !== undefined) throw failed(message);
      return called ? 'tool_calls' : 'stop';
  }
}

function failed(message: string | undefined): GatewayError {
  return reportedError({ status: 502, message: message ?? 'The provider failed while it answered.' });
}

/**
 * The places of the web that a citation names: those of its sources that have an address. Documents of the client's own
 * and results of tools without one have no place in the contract, nor have citations within thinking or plans.
 * `words` is the text of the block, `offset` what comes before it in the choice, in UTF-16 units.
 */
export function readCitation(value: unknown, words: string, offset: number): Annotation[] {
  const citation = fields(value);
  const type = text(citation['type']) ?? 'TEXT_CONTENT';
  const start = count(citation['start']);
  const end = count(citation['end']);
  if (type !== 'TEXT_CONTENT' || start === undefined || end === undefined) return [];
  const place = placed(words, { start, end }, text(citation['text']));
  return list(citation['sources']).flatMap((source) => {
    const { document, tool_output: output } = fields(source);
    const from = fields(document ?? output);
    const url = text(from['url']);
    if (url === undefined || !/^https?:\/\//i.test(url)) return [];
    return [
      { type: 'url_citation' as const, url, title: text(from['title']) ?? url, start: place.start + offset, end: place.end + offset },
    ];
  });
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Positions are characters; where those and UTF-16 units differ, the cited words decide. */
function placed(words: string, range: Range, cited: string | undefined): Range {
  if (cited === undefined || words.slice(range.start, range.end) === cited) return range;
  const characters = Array.from(words);
  const start = characters.slice(0, range.start).join('').length;
  const length = characters.slice(range.start, range.end).join('').length;
  return words.slice(start, start + length) === cited ? { start, end: start + length } : range;
}

/**
 * A chunk of text with the log probabilities of its tokens. The provider does not say which token is which part, so a
 * chunk of several is one entry with the probability of them all. Alternatives it has none.
 */
export function readLogprob(value: unknown, chunk: string): TokenLogprob[] {
  const logprobs = list(fields(value)['logprobs']).filter((one) => typeof one === 'number');
  if (logprobs.length === 0 || chunk === '') return [];
  const logprob = logprobs.reduce((sum, one) => sum + one, 0);
  return [{ token: chunk, logprob, bytes: [...new TextEncoder().encode(chunk)], top: [] }];
}

/** Those of a whole answer, where the chunks at their end spell its text; undefined where they do not. */
export function readLogprobs(value: unknown, words: string): TokenLogprob[] | undefined {
  const scores = list(value).flatMap((item) => readLogprob(item, text(fields(item)['text']) ?? ''));
  let from = scores.length;
  let length = 0;
  while (from > 0 && length < words.length) length += scores[--from]?.token.length ?? 0;
  const spelling = scores.slice(from);
  return spelling.length > 0 && spelling.map(({ token }) => token).join('') === words ? spelling : undefined;
}

/** Arguments as JSON text; a call without any says `null`. */
export function readArguments(value: unknown): string {
  const json = typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value);
  return json.trim() === 'null' ? '' : json;
}

/** What a body or frame says went wrong, or undefined where it says nothing of the kind. */
export function errorMessage(value: unknown): string | undefined {
  const { message, error } = fields(value);
  return text(message) ?? text(error) ?? text(fields(error)['message']);
}

/** An answer whose status is not a success: `{"message": …}`. */
export function readFailure({ status, headers, body }: Failure): GatewayError {
  const message = errorMessage(jsonOf(body)) ?? plainMessage(body);
  return reportedError({ status, message, ...coded(status, message), retryAfterMs: retryAfterOf(headers) });
}

/** Errors have no codes there; the contract has, for those that clients look at. */
function coded(status: number, message: string): { code?: string; param?: string; type?: string } {
  if (status === 404 && /\bmodel\b/i.test(message)) return { type: 'invalid_request_error', code: 'model_not_found', param: 'model' };
  if (status === 400 && /^too many tokens/i.test(message)) {
    return /^too many tokens: max tokens/i.test(message)
      ? { param: 'max_tokens', code: 'integer_above_max_value' }
      : { param: 'messages', code: 'context_length_exceeded' };
  }
  if (status === 401) return { code: 'invalid_api_key' };
  // a monthly allowance does not come back by waiting
  return status === 429 && /\bmonth\b/i.test(message) ? { code: 'insufficient_quota' } : {};
}
