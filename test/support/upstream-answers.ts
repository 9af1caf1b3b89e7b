/** What the faulty upstream says when all is well, as text, frames and bytes. All of it follows from the request. */

/** One request as the upstream understood it. */
export interface Asked {
  /** The name of the upstream, which is part of every word it says. */
  readonly upstream: string;
  readonly model: string;
  /** `abc` of a message that holds `#abc` or `#abc*20`. */
  readonly token: string;
  /** How many words to say: 20 of `#abc*20`. */
  readonly words: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** How often this upstream was asked with this token before. */
  readonly nth: number;
  /** How many requests came on this connection before. */
  readonly onConnection: number;
}

const WORDS = 12;
/** Characters that break where bytes are taken for characters. */
const ODD = ['ä', '🌍', '漢', '"', '\\', '\n', '👩‍🚀', '</think>'];

/** What a user says to get an answer with this token. */
export const askFor = (token: string, words = WORDS): string => `Say #${token}*${words}.`;

/** The pieces of an answer, each of them different: what is said twice, or by another, can be told. */
export function wordsOf(upstream: string, token: string, words = WORDS): readonly string[] {
  return Array.from({ length: words }, (_, at) => `${upstream}:${token}:${at}${ODD[at % ODD.length]} `);
}

export const textOf = (upstream: string, token: string, words = WORDS): string => wordsOf(upstream, token, words).join('');

interface Body {
  readonly model?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: unknown } | null;
  readonly messages?: readonly { readonly role?: unknown; readonly content?: unknown }[];
}

export type Understood = Omit<Asked, 'upstream' | 'nth' | 'onConnection'>;

/** Undefined where the body is no request of this kind. */
export function understand(body: string): Understood | undefined {
  let read: Body;
  try {
    read = JSON.parse(body) as Body;
  } catch {
    return undefined;
  }
  const said = JSON.stringify(read.messages?.findLast(({ role }) => role === 'user')?.content ?? '');
  const [, token = 'nothing', words] = /#([\w-]+)(?:\*(\d+))?/.exec(said) ?? [];
  return {
    model: String(read.model),
    token,
    words: words === undefined ? WORDS : Number(words),
    stream: read.stream === true,
    includeUsage: read.stream_options?.include_usage === true,
  };
}

const usageOf = ({ words }: Asked) => ({ prompt_tokens: 7, completion_tokens: words, total_tokens: 7 + words });

/** The body of an answer that is not streamed. */
export function wholeBody(asked: Asked): string {
  const message = { role: 'assistant', content: textOf(asked.upstream, asked.token, asked.words), refusal: null };
  return JSON.stringify({
    id: `chatcmpl-${asked.upstream}-${asked.token}`,
    object: 'chat.completion',
    created: 1_700_000_000,
    model: asked.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: usageOf(asked),
  });
}

export const frame = (value: unknown): string => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;

export interface Frames {
  /** Of these a client sees nothing yet. */
  readonly opening: readonly string[];
  readonly words: readonly string[];
  /** The reason of the end, usage where it was asked for. */
  readonly closing: readonly string[];
  readonly done: string;
}

/** The frames of an answer that is streamed. */
export function framesFor(asked: Asked): Frames {
  const chunk = (choices: unknown, more: object = {}): string =>
    frame({
      id: `chatcmpl-${asked.upstream}-${asked.token}`,
      object: 'chat.completion.chunk',
      created: 1_700_000_000,
      model: asked.model,
      choices,
      ...more,
    });
  const delta = (said: object, reason: string | null = null): string => chunk([{ index: 0, delta: said, finish_reason: reason }]);
  return {
    opening: [delta({ role: 'assistant', content: '' })],
    words: wordsOf(asked.upstream, asked.token, asked.words).map((content) => delta({ content })),
    closing: [delta({}, 'stop'), ...(asked.includeUsage ? [chunk([], { usage: usageOf(asked) })] : [])],
    done: frame('[DONE]'),
  };
}

const REASONS: Readonly<Record<number, string>> = { 100: 'Continue', 103: 'Early Hints', 200: 'OK' };

/** The head of an answer, its empty line included. */
export function head(status: number, headers: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? 'Because'}\r\n${lines.join('')}\r\n`;
}

export const LAST_CHUNK = '0\r\n\r\n';

/** A piece of a body that comes in chunks. */
export const chunked = (piece: string): string => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`;

export const SSE_HEAD = head(200, { 'content-type': 'text/event-stream; charset=utf-8', 'transfer-encoding': 'chunked' });

/** A whole answer with any body. */
export function answerWith(status: number, body: string, headers: Readonly<Record<string, string | number>> = {}): string {
  return head(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers }) + body;
}

/** An answer in five parts, to break off between any of them, or within. */
export interface Parts {
  readonly head: string;
  /** Of this a client sees nothing yet. */
  readonly opening: string;
  /** The first of what a client of a stream sees. */
  readonly shown: string;
  readonly rest: string;
  /** The end of the HTTP message; nothing where its length was told. */
  readonly last: string;
}

export function partsOf(asked: Asked): Parts {
  if (!asked.stream) {
    const body = wholeBody(asked);
    const at = Math.floor(body.length / 3);
    const whole = answerWith(200, body);
    return {
      head: whole.slice(0, whole.length - body.length),
      opening: body.slice(0, 20),
      shown: body.slice(20, at),
      rest: body.slice(at),
      last: '',
    };
  }
  const { opening, words, closing, done } = framesFor(asked);
  const each = (frames: readonly string[]): string => frames.map(chunked).join('');
  const half = Math.ceil(words.length / 2);
  return {
    head: SSE_HEAD,
    opening: each(opening),
    shown: each(words.slice(0, half)),
    rest: each([...words.slice(half), ...closing, done]),
    last: LAST_CHUNK,
  };
}

/** All bytes of a good answer. */
export const wellBytes = (asked: Asked): string => Object.values(partsOf(asked)).join('');
