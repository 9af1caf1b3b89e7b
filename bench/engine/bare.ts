/**
 * The limit that a server can reach: a loop on the native context, in a process of its own, without HTTP, scheduler or
 * text. It gets chat bodies, makes the very prompts, grammars and sampler settings of them that the server makes, then
 * decodes all streams in step. Making them is not part of the time.
 */
import { planChat } from '../../src/providers/llama/formats/index.ts';
import { readGguf } from '../../src/providers/llama/gguf.ts';
import { openNative } from '../../src/providers/llama/child/native.ts';
import type { Native, Sampler } from '../../src/providers/llama/child/native.ts';
import { createTokenizer } from '../../src/providers/llama/child/prompt.ts';
import type { Tokenizer } from '../../src/providers/llama/child/prompt.ts';
import type { GgufSummary } from '../../src/providers/llama/model.ts';
import type { LoadOptions } from '../../src/providers/llama/protocol.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import type { ChatBody } from './cases.ts';

export type ToBare =
  | { readonly type: 'load'; readonly options: LoadOptions }
  | { readonly type: 'run'; readonly bodies: readonly ChatBody[] };

export type FromBare =
  | { readonly type: 'ready'; readonly endTokens: readonly number[] }
  | { readonly type: 'result'; readonly result: BareResult }
  | { readonly type: 'failed'; readonly message: string };

export interface BareResult {
  readonly ms: number;
  readonly firstTokenMs: number;
  /** Milliseconds between one token of every stream and the next. */
  readonly gaps: readonly number[];
  readonly promptTokens: number;
  readonly tokens: number;
}

interface Loaded {
  readonly native: Native;
  readonly tokenizer: Tokenizer;
  readonly gguf: GgufSummary;
}

interface Stream {
  readonly prompt: Uint32Array;
  readonly sampler: Sampler;
  /** Alternatives per token; absent: no log probabilities. */
  readonly logprobs: number | undefined;
  readonly most: number;
}

function streamOf({ native, tokenizer, gguf }: Loaded, body: ChatBody): Stream {
  const request = parseChatRequest(body, { strict: true });
  const { chatTemplate: template, bosToken, eosToken, architecture } = gguf;
  const plan = planChat(request, { template, bosToken, eosToken, architecture });
  const { messages, variables } = plan.render;
  const prompt = tokenizer({ template: plan.template ?? template, messages, variables, prefix: plan.prefix });
  const bias = [...(request.sampling.logitBias ?? [])];
  const sampler = native.sampler();
  sampler.applyConfig({
    temperature: 1,
    seed: Math.floor(Math.random() * 2 ** 32),
    ...(bias.length > 0
      ? { tokenBiasKeys: Uint32Array.from(bias, ([token]) => token), tokenBiasValues: Float32Array.from(bias, () => -1e6) }
      : {}),
    ...(plan.grammar ? { grammarEvaluationState: native.grammarState(native.grammar(plan.grammar.gbnf, 'root')) } : {}),
  });
  return { prompt, sampler, logprobs: request.logprobs?.top, most: request.maxTokens ?? 1 };
}

async function draw(native: Native, at: number, { sampler, logprobs }: Stream): Promise<number> {
  const token = await native.sample(at, sampler);
  if (logprobs !== undefined) await native.rawScores(at, token, logprobs);
  return token;
}

/** Streams whose prompts fit into one decode together. */
function grouped(streams: readonly Stream[], room: number): readonly (readonly number[])[] {
  const groups: number[][] = [];
  let left = 0;
  for (const [id, { prompt }] of streams.entries()) {
    if (prompt.length > left) {
      groups.push([]);
      left = room;
    }
    left -= prompt.length;
    groups.at(-1)?.push(id);
  }
  return groups;
}

/** Decodes what of a prompt does not fit into the last decode. */
async function beginLong(native: Native, id: number, { prompt }: Stream): Promise<number> {
  let done = 0;
  for (; prompt.length - done > native.batchSize; done += native.batchSize) {
    native.beginBatch(native.batchSize);
    native.addToBatch(id, done, prompt.subarray(done, done + native.batchSize));
    await native.decode();
  }
  return done;
}

/** Decodes the prompts and draws the first token of each stream. */
async function begin(native: Native, streams: readonly Stream[]): Promise<readonly number[]> {
  const first: number[] = [];
  for (const group of grouped(streams, native.batchSize)) {
    const done = new Map<number, number>();
    for (const id of group) {
      const stream = streams[id];
      if (stream) done.set(id, await beginLong(native, id, stream));
    }
    const members = group.flatMap((id) => {
      const stream = streams[id];
      const from = done.get(id) ?? 0;
      return stream ? [{ id, stream, from, rest: stream.prompt.subarray(from) }] : [];
    });
    native.beginBatch(members.reduce((sum, { rest }) => sum + rest.length, 0));
    const places = members.map(({ id, from, rest }) => native.addScored(id, from, rest));
    await native.decode();
    first.push(...(await Promise.all(members.map(({ stream }, at) => draw(native, places[at] ?? -1, stream)))));
  }
  return first;
}

/** All streams in step, to their last token or until one ends. */
async function run(loaded: Loaded, bodies: readonly ChatBody[]): Promise<BareResult> {
  const { native } = loaded;
  const streams = bodies.map((body) => streamOf(loaded, body));
  const most = Math.min(...streams.map((stream) => stream.most));
  for (const id of streams.keys()) native.trim(id, 0);

  const began = performance.now();
  let drawn = await begin(native, streams);
  const firstTokenMs = performance.now() - began;
  let steps = 1;
  const gaps: number[] = [];
  let drawnAt = performance.now();
  for (; steps < most && !drawn.some((token) => token < 0 || native.isEndOfGeneration(token)); steps++) {
    native.beginBatch(drawn.length);
    const places = drawn.map((token, id) => {
      const position = (streams[id]?.prompt.length ?? 0) + steps - 1;
      return native.addScored(id, position, Uint32Array.of(token));
    });
    await native.decode();
    drawn = await Promise.all(streams.map((stream, id) => draw(native, places[id] ?? -1, stream)));
    gaps.push(performance.now() - drawnAt);
    drawnAt = performance.now();
  }
  const ms = performance.now() - began;
  for (const { sampler } of streams) sampler.dispose();
  return { ms, firstTokenMs, gaps, promptTokens: streams[0]?.prompt.length ?? 0, tokens: steps * streams.length };
}

let loaded: Loaded | undefined;

async function load(options: LoadOptions): Promise<FromBare> {
  const native = await openNative(options, () => undefined);
  loaded = { native, tokenizer: createTokenizer(native), gguf: await readGguf(options.modelPath) };
  const endTokens = Array.from({ length: native.vocabulary.size }, (_, token) => token).filter((token) => native.isEndOfGeneration(token));
  return { type: 'ready', endTokens };
}

async function handle(message: ToBare): Promise<FromBare> {
  if (message.type === 'load') return load(message.options);
  if (!loaded) throw new Error('nothing is loaded');
  return { type: 'result', result: await run(loaded, message.bodies) };
}

process.on('message', (message: ToBare) => {
  handle(message)
    .catch((cause: unknown): FromBare => ({
      type: 'failed',
      message: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    }))
    .then((answer) => process.send?.(answer))
    .catch(() => process.exit(1));
});
process.on('disconnect', () => process.exit(0));
