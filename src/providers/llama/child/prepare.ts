/** A job's way to the queue: prompt rendered and counted, settings checked against the vocabulary, grammar compiled. */
import type { FromEngine, Job } from '../protocol.ts';
import type { Grammar, Native } from './native.ts';
import type { Tokenizer } from './prompt.ts';

type Refusal = Extract<FromEngine, { type: 'refused' }>;

export type Prepared =
  | { readonly kind: 'ready'; readonly prompt: Uint32Array; readonly grammar: Grammar | undefined }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'refused'; readonly reason: Refusal['reason']; readonly message: string; readonly param: string | null };

export interface PrepareParts {
  readonly native: Native;
  readonly tokenizer: Tokenizer;
  readonly isCancelled: () => boolean;
}

/** Tokenising is synchronous: text far beyond the context is counted in slices, with a turn for others between. */
const SLICE = 32_768;
/** Where the count is so many times the context, the exact number helps nobody any more. */
const COUNTED_CONTEXTS = 64;
const CHARACTERS_PER_TOKEN = 6;

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + lengthOf(item), 0);
  if (typeof value === 'object' && value !== null) return lengthOf(Object.values(value));
  return 0;
}

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) yield* textsOf(item);
}

async function countInSlices({ native, isCancelled }: PrepareParts, job: Job): Promise<number> {
  let count = 0;
  let sinceTurn = 0;
  for (const text of textsOf([job.prompt.messages, job.prompt.tools])) {
    for (let from = 0; from < text.length; from += SLICE) {
      if (isCancelled() || count > native.contextSize * COUNTED_CONTEXTS) return count;
      const slice = text.slice(from, from + SLICE);
      count += native.tokenize(slice, false).length;
      sinceTurn += slice.length;
      if (sinceTurn < SLICE) continue;
      sinceTurn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return count;
}

function tooLong(native: Native, tokens: number): Prepared {
  const atLeast = tokens > native.contextSize * COUNTED_CONTEXTS ? 'more than ' : '';
  return {
    kind: 'refused',
    reason: 'context_length_exceeded',
    message:
      `This model's maximum context length is ${native.contextSize} tokens. However, your messages resulted in ${atLeast}${tokens} tokens. ` +
      'Please reduce the length of the messages.',
    param: 'messages',
  };
}

const refused = (reason: Refusal['reason'], message: string, param: string | null): Prepared => ({
  kind: 'refused',
  reason,
  message,
  param,
});

/** Never throws for what the client sent: that is a refusal. */
export async function prepareJob(parts: PrepareParts, job: Job): Promise<Prepared> {
  const { native } = parts;
  if (lengthOf([job.prompt.messages, job.prompt.tools]) > native.contextSize * CHARACTERS_PER_TOKEN) {
    const tokens = await countInSlices(parts, job);
    if (parts.isCancelled()) return { kind: 'cancelled' };
    if (tokens >= native.contextSize) return tooLong(native, tokens);
  }
  let prompt: Uint32Array;
  try {
    prompt = parts.tokenizer(job.prompt);
  } catch (cause) {
    return refused(
      'template',
      `The model's chat template refuses these messages: ${cause instanceof Error ? cause.message : String(cause)}`,
      'messages',
    );
  }
  if (prompt.length >= native.contextSize) return tooLong(native, prompt.length);
  if (prompt.length === 0) return refused('template', "The model's chat template made an empty prompt of these messages.", 'messages');
  const unknown = job.logitBias.find(([token]) => token >= native.vocabulary.size);
  if (unknown) {
    const last = native.vocabulary.size - 1;
    return refused(
      'invalid_token',
      `Invalid 'logit_bias': there is no token ${unknown[0]}; this model's tokens are 0 to ${last}.`,
      'logit_bias',
    );
  }
  if (!job.grammar) return { kind: 'ready', prompt, grammar: undefined };
  try {
    return { kind: 'ready', prompt, grammar: native.grammar(job.grammar.gbnf, 'root') };
  } catch (cause) {
    return refused('grammar', cause instanceof Error ? cause.message : String(cause), null);
  }
}
