/** A client that takes the time of every read and leaves all understanding of it for later: it shares the cores with what it measures. */
import { Agent, request } from 'node:http';
import type { ChatBody } from './cases.ts';

export interface Streamed {
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** When the first text of the answer came; NaN where it had none, being half a character long. */
  readonly firstAt: number;
  /** When reads with text came. */
  readonly textAt: readonly number[];
  /** Milliseconds from one of these to the next. */
  readonly gaps: readonly number[];
  readonly endedAt: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly tokens: number;
}

interface Read {
  readonly at: number;
  readonly bytes: Buffer;
}

interface Chunk {
  readonly choices: readonly { readonly delta?: { readonly content?: string | null; readonly tool_calls?: readonly unknown[] } }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
  readonly error?: unknown;
}

// a kept connection may be closed by the other side just when it is used again
const agent = new Agent({ keepAlive: false });

/** Sends a chat body and reads the stream to its end. Rejects for any status but 200, and for an error in the stream. */
export async function streamed(base: string, body: ChatBody): Promise<Streamed> {
  const text = JSON.stringify(body);
  const startedAt = performance.now();
  const reads = await new Promise<readonly Read[]>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const sent = request(`${base}/v1/chat/completions`, { method: 'POST', agent, headers }, (response) => {
      const got: Read[] = [];
      response.on('data', (bytes: Buffer) => got.push({ at: performance.now(), bytes }));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(got);
        else reject(new Error(`${base}: ${response.statusCode ?? 0} ${Buffer.concat(got.map((read) => read.bytes)).toString()}`));
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
  return understood(startedAt, reads);
}

function understood(startedAt: number, reads: readonly Read[]): Streamed {
  const textAt: number[] = [];
  let usage: Chunk['usage'];
  let rest = '';
  for (const { at, bytes } of reads) {
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue;
      const chunk = JSON.parse(line.slice(6)) as Chunk;
      if (chunk.error !== undefined) throw new Error(`in the stream: ${line}`);
      const delta = chunk.choices[0]?.delta;
      const says = (delta?.content ?? '') !== '' || (delta?.tool_calls ?? []).length > 0;
      if (says && textAt.at(-1) !== at) textAt.push(at);
      usage = chunk.usage ?? usage;
    }
  }
  const endedAt = reads.at(-1)?.at;
  if (endedAt === undefined || !usage) throw new Error('the stream had no usage at its end');
  return {
    startedAt,
    firstAt: textAt[0] ?? Number.NaN,
    textAt,
    gaps: textAt.slice(1).map((at, before) => at - (textAt[before] ?? at)),
    endedAt,
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    tokens: usage.completion_tokens,
  };
}
