/** What a client hears of one answer, by hand and by the official SDK, in the same words. */
import OpenAI, { APIConnectionError, APIError } from 'openai';
import { askFor } from './upstream-answers.ts';

export interface Heard {
  /** 0 where the connection broke before a head. */
  readonly status: number;
  readonly headers: Headers;
  /** All pieces of content, joined. */
  readonly text: string;
  readonly finish: string | undefined;
  /** A whole body of an answer, or `[DONE]`. */
  readonly ended: boolean;
  readonly error?: { readonly message: string; readonly type: string; readonly code: string | null };
  readonly usage?: { readonly completion_tokens: number } | undefined;
  readonly ms: number;
}

export interface Ask {
  readonly url: string;
  readonly model: string;
  readonly token: string;
  readonly stream: boolean;
  readonly words?: number;
  readonly signal?: AbortSignal;
}

interface Said {
  readonly choices?: readonly {
    readonly message?: { readonly content: string | null };
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason: string | null;
  }[];
  readonly error?: Heard['error'];
  readonly usage?: Heard['usage'] | null;
}

const bodyOf = ({ model, token, words, stream }: Ask) => ({
  model,
  messages: [{ role: 'user' as const, content: askFor(token, words) }],
  ...(stream ? { stream: true as const, stream_options: { include_usage: true } } : {}),
});

export type Client = (ask: Ask) => Promise<Heard>;

/** With plain fetch. What is no answer at all, a connection that breaks included, is an error of the test's. */
export const byHand: Client = async (ask) => {
  const startedAt = performance.now();
  const answer = await fetch(`${ask.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(bodyOf(ask)),
    ...(ask.signal ? { signal: ask.signal } : {}),
  });
  const body = await answer.text();
  const common = { status: answer.status, headers: answer.headers, ms: performance.now() - startedAt };
  if (!(answer.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
    const { choices, error, usage } = JSON.parse(body) as Said;
    const [choice] = choices ?? [];
    return { ...common, ...heard([choice?.message?.content], choice?.finish_reason, { ended: choice !== undefined, error, usage }) };
  }
  const frames = body.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'));
  const datas = frames.map((frame) => frame.replace(/^data: /, ''));
  const ended = datas.at(-1) === '[DONE]';
  const chunks = (ended ? datas.slice(0, -1) : datas).map((data) => JSON.parse(data) as Said);
  const failed = chunks.findIndex(({ error }) => error !== undefined);
  if (failed >= 0 && failed < chunks.length - 1) throw new Error(`something follows the error: ${body}`);
  const choices = chunks.flatMap((chunk) => chunk.choices ?? []);
  return {
    ...common,
    ...heard(
      choices.map(({ delta }) => delta?.content),
      choices.findLast(({ finish_reason }) => finish_reason !== null)?.finish_reason,
      { ended, error: chunks[failed]?.error, usage: chunks.at(-1)?.usage },
    ),
  };
};

interface Rest {
  readonly ended: boolean;
  readonly error?: Heard['error'];
  readonly usage?: Heard['usage'] | null;
}

function heard(pieces: readonly (string | null | undefined)[], finish: string | null | undefined, { ended, error, usage }: Rest) {
  return {
    text: pieces.map((piece) => piece ?? '').join(''),
    finish: finish ?? undefined,
    ended,
    ...(error ? { error } : {}),
    ...(usage ? { usage } : {}),
  };
}

/** With the official SDK, without retries of its own. */
export const bySdk: Client = async (ask) => {
  const startedAt = performance.now();
  const client = new OpenAI({ baseURL: `${ask.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const options = ask.signal ? { signal: ask.signal } : {};
  const pieces: (string | null | undefined)[] = [];
  let finish: string | null | undefined;
  let headers = new Headers();
  let status = 0;
  const result = (rest: Rest): Heard => ({
    status,
    headers,
    ms: performance.now() - startedAt,
    ...heard(pieces, finish, rest),
  });
  try {
    const { stream, ...body } = bodyOf(ask);
    if (stream !== true) {
      const { data, response } = await client.chat.completions.create(body, options).withResponse();
      ({ headers, status } = response);
      const [choice] = data.choices;
      pieces.push(choice?.message.content);
      finish = choice?.finish_reason;
      return result({ ended: choice !== undefined, ...(data.usage ? { usage: data.usage } : {}) });
    }
    const { data, response } = await client.chat.completions.create({ ...body, stream }, options).withResponse();
    ({ headers, status } = response);
    let usage: Heard['usage'];
    for await (const chunk of data) {
      pieces.push(chunk.choices[0]?.delta.content);
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    return result({ ended: true, usage });
  } catch (cause) {
    if (!(cause instanceof APIError) || cause instanceof APIConnectionError) throw cause;
    if (cause.status !== undefined) ({ status, headers } = { status: cause.status, headers: cause.headers ?? headers });
    const said = cause.error as { message?: string } | undefined;
    return result({ ended: false, error: { message: said?.message ?? cause.message, type: String(cause.type), code: cause.code ?? null } });
  }
};

export const CLIENTS: Readonly<Record<string, Client>> = { fetch: byHand, SDK: bySdk };
