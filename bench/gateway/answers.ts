/** What the upstream says, in the formats that candidates ask in: a short completion, and a stream of 200 words. */

/** Chunks with a word in each stream. */
export const WORDS = 200;

export const SHORT = 'Paris is the capital of France and lies on the river Seine.';

export const FORMATS = ['openai', 'anthropic', 'gemini'] as const;
export type Format = (typeof FORMATS)[number];

interface Frames {
  readonly first: string;
  word(text: string): string;
  readonly last: string;
}

interface Answers {
  /** A whole completion. */
  readonly short: string;
  /** The parts of a stream. */
  readonly frames: Frames;
}

const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'bench',
    system_fingerprint: 'fp_bench',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  })}\n\n`;

const openai: Answers = {
  short: JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_760_000_000,
    model: 'bench',
    choices: [{ index: 0, message: { role: 'assistant', content: SHORT, refusal: null }, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 14, completion_tokens: 13, total_tokens: 27 },
    system_fingerprint: 'fp_bench',
  }),
  frames: {
    first: chunk({ role: 'assistant', content: '', refusal: null }, null),
    word: (text) => chunk({ content: text }, null),
    last: `${chunk({}, 'stop')}data: [DONE]\n\n`,
  },
};

const named = (data: { readonly type: string; readonly [field: string]: unknown }): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

const message = (content: readonly object[], reason: string | null, output: number): object => ({
  id: 'msg_bench',
  type: 'message',
  role: 'assistant',
  model: 'bench',
  content,
  stop_reason: reason,
  stop_sequence: null,
  usage: { input_tokens: 14, output_tokens: output },
});

const anthropic: Answers = {
  short: JSON.stringify(message([{ type: 'text', text: SHORT }], 'end_turn', 13)),
  frames: {
    first:
      named({ type: 'message_start', message: message([], null, 1) }) +
      named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    word: (text) => named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    last:
      named({ type: 'content_block_stop', index: 0 }) +
      named({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: WORDS } }) +
      named({ type: 'message_stop' }),
  },
};

const generated = (text: string, { reason, tokens }: { readonly reason?: string; readonly tokens: number }): string =>
  JSON.stringify({
    candidates: [{ content: { parts: [{ text }], role: 'model' }, ...(reason === undefined ? {} : { finishReason: reason }), index: 0 }],
    usageMetadata: { promptTokenCount: 14, candidatesTokenCount: tokens, totalTokenCount: 14 + tokens },
    modelVersion: 'bench',
    responseId: 'bench',
  });

const gemini: Answers = {
  short: generated(SHORT, { reason: 'STOP', tokens: 13 }),
  frames: {
    first: '',
    word: (text) => `data: ${generated(text, { tokens: 1 })}\n\n`,
    last: `data: ${generated('', { reason: 'STOP', tokens: WORDS })}\n\n`,
  },
};

export const ANSWERS: Readonly<Record<Format, Answers>> = { openai, anthropic, gemini };

/** Gemini's stream where it is not asked for events: a list of the same objects. */
export function geminiList(): string {
  const objects = wholeStream('gemini')
    .split('\n\n')
    .flatMap((event) => (event === '' ? [] : event.slice('data: '.length)));
  return `[${objects.join('\n,\r\n')}\n]`;
}

/** A stream of 200 words, all at once. */
export function wholeStream(format: Format): string {
  const { first, word, last } = ANSWERS[format].frames;
  return first + Array.from({ length: WORDS }, (_, at) => word(` word${at}`)).join('') + last;
}
