/** A client of the chat completions API, as much of one as a conversation needs. */

export interface Api {
  /** Without `/v1` and without a trailing slash. */
  readonly url: string;
  readonly key?: string | undefined;
}

export interface ChatTurn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatOptions {
  readonly model: string;
  readonly messages: readonly ChatTurn[];
  readonly temperature?: number | undefined;
  readonly maxTokens?: number | undefined;
}

export type ChatDelta =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly type: 'finish'; readonly reason: string }
  | { readonly type: 'usage'; readonly usage: unknown };

/** A field of something that came as JSON; undefined where it has none. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** Who answers at an address. */
export type Answering = { readonly who: 'parlance'; readonly version: string } | { readonly who: 'other' | 'nobody' };

/** Asks `/health`. `other` is a server that is not Parlance, or one that does not answer in time. */
export async function whoAnswers(url: string, signal?: AbortSignal): Promise<Answering> {
  const deadline = AbortSignal.timeout(2000);
  try {
    const response = await fetch(`${url}/health`, { signal: signal ? AbortSignal.any([signal, deadline]) : deadline });
    const body: unknown = await response.json();
    const version = field(body, 'version');
    return field(body, 'status') === 'ok' && typeof version === 'string' ? { who: 'parlance', version } : { who: 'other' };
  } catch (cause) {
    signal?.throwIfAborted();
    return { who: isRefused(cause) ? 'nobody' : 'other' };
  }
}

function isRefused(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  if ('code' in cause && cause.code === 'ECONNREFUSED') return true;
  // localhost is tried as ::1 and as 127.0.0.1, and both failures come as one
  if (cause instanceof AggregateError) return cause.errors.every(isRefused);
  return cause.cause !== undefined && isRefused(cause.cause);
}

async function request(api: Api, path: string, init: RequestInit): Promise<Response> {
  const response = await send(api, path, init);
  if (response.ok) return response;
  throw new Error(await failureText(response, api));
}

/** The response of any status. */
async function send(api: Api, path: string, init: RequestInit): Promise<Response> {
  const headers = { ...(api.key === undefined ? {} : { authorization: `Bearer ${api.key}` }), 'content-type': 'application/json' };
  try {
    return await fetch(`${api.url}/v1${path}`, { ...init, headers });
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new Error(`${api.url} cannot be reached (${reasonOf(cause)})`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause === undefined ? cause.message || cause.name : reasonOf(cause.cause);
}

async function failureText(response: Response, api: Api): Promise<string> {
  const text = await response.text();
  if (response.status === 401) {
    const how = api.key === undefined ? 'it wants a key: --key KEY' : 'it does not know the key';
    return `${api.url} answers 401: ${how}`;
  }
  try {
    const message = field(field(JSON.parse(text), 'error'), 'message');
    if (typeof message === 'string') return message;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  return `${api.url} answers ${response.status}, and not as a chat completions server does`;
}

export interface ApiModel {
  readonly id: string;
  /** Parlance's field: who runs it, where that is not the server itself. */
  readonly provider?: string;
}

/** The server's models. */
export async function listModels(api: Api, signal: AbortSignal): Promise<readonly ApiModel[]> {
  const response = await request(api, '/models', { signal });
  const data = field(await response.json(), 'data');
  if (!Array.isArray(data)) throw new Error(`${api.url} does not list its models`);
  return data.flatMap((model: unknown) => readModel(model) ?? []);
}

/** The model of this name, which need not be in the list; undefined where the server does not say that it has it. */
export async function findModel(api: Api, name: string, signal: AbortSignal): Promise<ApiModel | undefined> {
  const response = await send(api, `/models/${name.split('/').map(encodeURIComponent).join('/')}`, { signal });
  const text = await response.text();
  if (!response.ok) return undefined;
  try {
    return readModel(JSON.parse(text));
  } catch (cause) {
    // other servers answer unknown paths with a page of their own
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

function readModel(model: unknown): ApiModel | undefined {
  const id = field(model, 'id');
  const provider = field(model, 'provider');
  if (typeof id !== 'string') return undefined;
  return { id, ...(typeof provider === 'string' ? { provider } : {}) };
}

/** Share of a model that is loaded, 0 to 1, while Parlance loads it; undefined where it does not, or does not say. */
export async function loadingShare(api: Api, model: string, signal: AbortSignal): Promise<number | undefined> {
  const response = await fetch(`${api.url}/ready`, { signal });
  const engines = field(await response.json(), 'engines');
  if (!Array.isArray(engines)) return undefined;
  const engine: unknown = engines.find((one: unknown) => field(one, 'id') === model);
  const progress = field(engine, 'progress');
  return field(engine, 'state') === 'loading' && typeof progress === 'number' ? progress : undefined;
}

/** The answer as it comes. Throws where the server refuses, fails in the middle, or ends without an end. */
export async function* streamChat(api: Api, options: ChatOptions, signal: AbortSignal): AsyncGenerator<ChatDelta> {
  const { model, messages, temperature, maxTokens } = options;
  const body = JSON.stringify({
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_completion_tokens: maxTokens }),
  });
  const response = await request(api, '/chat/completions', { method: 'POST', body, signal });
  if (!response.body) throw new Error(`${api.url} answers with nothing`);
  for await (const data of eventData(response.body)) {
    if (data === '[DONE]') return;
    yield* deltasOf(data);
  }
  throw new Error('the connection ended before the answer did');
}

function* deltasOf(data: string): Generator<ChatDelta> {
  const chunk: unknown = JSON.parse(data);
  const error = field(chunk, 'error');
  if (error !== undefined && error !== null) {
    const message = field(error, 'message');
    throw new Error(typeof message === 'string' ? message : JSON.stringify(error));
  }
  const usage = field(chunk, 'usage');
  if (usage !== undefined && usage !== null) yield { type: 'usage', usage };
  const choices = field(chunk, 'choices');
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const delta = field(choice, 'delta');
  const reasoning = field(delta, 'reasoning_content');
  const content = field(delta, 'content');
  const reason = field(choice, 'finish_reason');
  if (typeof reasoning === 'string' && reasoning !== '') yield { type: 'reasoning', text: reasoning };
  if (typeof content === 'string' && content !== '') yield { type: 'text', text: content };
  if (typeof reason === 'string') yield { type: 'finish', reason };
}

/** The data of server-sent events, however the bytes are cut; comments and other fields are passed over. */
export async function* eventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    // a line feed that belongs to the last carriage return may still be on its way
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      if (line !== '' || data.length === 0) continue;
      yield data.join('\n');
      data = [];
    }
  }
}
