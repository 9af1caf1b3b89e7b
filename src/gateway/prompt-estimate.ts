/**
 * How many tokens a prompt has at most, from its own size, before anybody counts them. Texts are weighed by what their
 * characters are: a token for each byte, which no tokenizer passes, but for small letters and spaces, which are weighed by
 * what the model that ships with the server makes of random ones; large models make less of them. That is about 2.4 times
 * what it counts for English, 2 for code, 1.7 for JSON, 2 to 3 for texts of other scripts (large models count less of those: up to
 * a fifth of the estimate). What a provider's own tools will read, nobody can know before.
 */
import type { AudioBlock, Block, ChatRequest, FileBlock, Message, Tool } from '../core/chat.ts';

export interface PromptEstimate {
  /** All of them. */
  readonly tokens: number;
  /** Of these, those of audio and of images, which may have prices of their own. */
  readonly audioTokens: number;
  readonly imageTokens: number;
  /** A part is to be kept in the provider's cache for an hour or longer. */
  readonly longCache: boolean;
  /** The answer may be more than text. */
  readonly otherOutput: boolean;
}

const FOR_REQUEST = 64;
const FOR_MESSAGE = 16;
const FOR_TOOL = 24;
/** What providers tell the model of tools when there are any. */
const FOR_TOOLS = 1000;
/**
 * The most that current models make of one, to which not all providers' `detail` matters: Claude up to 4,784, others less.
 * (gpt-4o-mini counts up to ten times as many, at a tenth of the price of a token.)
 */
const FOR_IMAGE = 5000;
const FOR_FILE_ID = 50_000;
/** No model's window is longer. */
const MOST_FOR_FILE = 1_000_000;
/** Bytes for a token, where 32 tokens are a second: of 8 kHz with 8 bits, and of 8 kbit/s compressed. */
const AUDIO_BYTES = { wav: 250, pcm16: 250, other: 32 };
/** Characters for a token of reasoning that only its provider can read. */
const STATE_CHARS = 2;

const [LOWER, UPPER, MARK, SPACE, BREAK, FOREIGN] = [0, 1, 2, 3, 4, 5] as const;
const WEIGHTS = weightsOfPairs();

/** Characters of a text that are looked at together: what they are in UTF-8 is at most three times as long. */
const PIECE = 8192;
const scratch = Buffer.allocUnsafeSlow(3 * PIECE);
const view = new DataView(scratch.buffer);

export function estimatePromptTokens(request: ChatRequest): number {
  return estimatePrompt(request).tokens;
}

export function estimatePrompt(request: ChatRequest): PromptEstimate {
  const { tools, responseFormat, raw } = request;
  const { audioTokens, imageTokens, ...said } = sumOfMessages(request);
  let text = FOR_REQUEST + said.text;
  if (tools.length > 0) text += tokensOfTools(tools, keyOfTools(request));
  const longCache = said.longCache || tools.some((tool) => tool.kind === 'function' && isLong(tool.cache?.ttl));
  if (responseFormat.type === 'json_schema')
    text += FOR_TOOL + tokensOfText(responseFormat.description ?? '') + tokensOfJson(responseFormat.schema);
  const modalities = raw['modalities'];
  const otherOutput = raw['audio'] != null || (Array.isArray(modalities) && modalities.some((one) => one !== 'text'));
  return { tokens: text + audioTokens + imageTokens, audioTokens, imageTokens, longCache, otherOutput };
}

/** Of messages, from the first on. */
interface Sum {
  readonly text: number;
  readonly audioTokens: number;
  readonly imageTokens: number;
  readonly longCache: boolean;
}

const NOTHING: Sum = { text: 0, audioTokens: 0, imageTokens: 0, longCache: false };

/**
 * Of all messages up to one, by what was parsed of that one. A conversation comes again with each of its turns, and what was parsed of
 * its beginning may be the same each time: a message is never parsed but as part of what was before it.
 */
const upTo = new WeakMap<object, Sum>();
/** Clients change their last messages from turn to turn. */
const LAST = 4;

function sumOfMessages(request: ChatRequest): Sum {
  const { messages } = request;
  const parsed = parsedMessages(request);
  let at = parsed.length;
  while (at > 0 && !upTo.has(parsed[at - 1] as object)) at--;
  let { text, audioTokens, imageTokens, longCache } = (at > 0 && upTo.get(parsed[at - 1] as object)) || NOTHING;
  for (; at < messages.length; at++) {
    const { blocks, name, toolName } = messages[at] as Message;
    text += FOR_MESSAGE + tokensOfText(name ?? '') + tokensOfText(toolName ?? '');
    for (const block of blocks) {
      if (block.type === 'image') imageTokens += FOR_IMAGE;
      else if (block.type === 'audio') audioTokens += tokensOfAudio(block);
      else text += tokensOfBlock(block);
      longCache ||= 'cache' in block && isLong(block.cache?.ttl);
    }
    if (at >= parsed.length - LAST && at < parsed.length) upTo.set(parsed[at] as object, { text, audioTokens, imageTokens, longCache });
  }
  return { text, audioTokens, imageTokens, longCache };
}

/** What the messages of a long conversation were made of, each of one; none where they are few or were made otherwise. */
function parsedMessages({ messages, source, raw }: ChatRequest): readonly unknown[] {
  const parsed = messages.length > 2 && source?.written.has('messages') ? raw['messages'] : undefined;
  return Array.isArray(parsed) && parsed.length === messages.length ? (parsed as readonly unknown[]) : [];
}

/** A prompt is no longer than what the model takes. */
export function withinWindow(estimate: PromptEstimate, contextWindow: number | undefined): PromptEstimate {
  if (contextWindow === undefined || estimate.tokens <= contextWindow) return estimate;
  const audioTokens = Math.min(estimate.audioTokens, contextWindow);
  return { ...estimate, tokens: contextWindow, audioTokens, imageTokens: Math.min(estimate.imageTokens, contextWindow - audioTokens) };
}

/** Those of tools that clients send again and again, by what was parsed of them, which may be the same each time. */
const ofTools = new WeakMap<object, number>();

/** Of large ones alone, and not where the tools were made of something else: an empty list stands beside any `functions`. */
function keyOfTools({ legacyFunctions, source, raw }: ChatRequest): object | undefined {
  const { tools } = raw;
  return !legacyFunctions && source?.written.has('tools') && typeof tools === 'object' && tools !== null ? tools : undefined;
}

function tokensOfTools(tools: readonly Tool[], key: object | undefined): number {
  const known = key && ofTools.get(key);
  if (known !== undefined) return known;
  let text = FOR_TOOLS;
  for (const tool of tools) {
    text += FOR_TOOL + tokensOfText(tool.name) + tokensOfText(tool.description ?? '');
    text += tool.kind === 'function' ? tokensOfJson(tool.parameters) : tokensOfText(tool.grammar?.definition ?? '');
  }
  if (key) ofTools.set(key, text);
  return text;
}

function tokensOfBlock(block: Exclude<Block, { type: 'image' | 'audio' }>): number {
  switch (block.type) {
    case 'text':
    case 'refusal':
      return tokensOfText(block.text);
    case 'reasoning':
      return tokensOfText(block.text) + tokensOfState(block.state);
    case 'tool_call':
      return FOR_TOOL + tokensOfText(block.name) + tokensOfText(block.input) + tokensOfText(block.id);
    case 'speech':
      return tokensOfText(block.transcript) + Math.ceil(bytesOf(block.data) / AUDIO_BYTES.other);
    case 'opaque':
      return tokensOfState(block.state);
    case 'file':
      return tokensOfFile(block);
  }
}

function tokensOfState(state: { readonly data: unknown } | undefined): number {
  return state ? Math.ceil((JSON.stringify(state.data) ?? '').length / STATE_CHARS) : 0;
}

/** A byte of a text is a token at most; a page of a PDF has rarely fewer bytes than it makes tokens. */
function tokensOfFile({ data, filename }: FileBlock): number {
  return tokensOfText(filename ?? '') + (data === undefined ? FOR_FILE_ID : Math.min(MOST_FOR_FILE, bytesOf(data)));
}

function tokensOfAudio({ data, format }: AudioBlock): number {
  const bytes = format === 'wav' || format === 'pcm16' ? AUDIO_BYTES[format] : AUDIO_BYTES.other;
  return FOR_TOOL + Math.ceil(bytesOf(data) / bytes);
}

/** Of base64. */
function bytesOf(data: string): number {
  return Math.ceil((data.length * 3) / 4);
}

function tokensOfJson(value: unknown): number {
  return value === undefined ? 0 : tokensOfText(JSON.stringify(value));
}

function isLong(ttl: string | undefined): boolean {
  return ttl === '1h' || ttl === '24h';
}

/** By pairs of neighbouring bytes of UTF-8: bytes that were copied out of a text are read several times as fast as its characters. */
export function tokensOfText(text: string): number {
  let hundredths = 0;
  let before = 0;
  for (let from = 0, to = 0; from < text.length; from = to) {
    to = endOfPiece(text, from);
    const length = scratch.write(from === 0 && to === text.length ? text : text.slice(from, to));
    hundredths += weightOf(before, length);
    before = scratch[length - 1] as number;
  }
  return Math.ceil(hundredths / 100);
}

/** Of the first bytes that were copied, four at a time: each as what comes after the one before it, `first` before all of them. */
function weightOf(first: number, length: number): number {
  // looked up once: the loop is the better for it
  const [bytes, weights] = [view, WEIGHTS];
  let sum = 0;
  let before = first;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const four = bytes.getUint32(at, true);
    sum +=
      (weights[before | ((four & 0xff) << 8)] as number) +
      (weights[four & 0xffff] as number) +
      (weights[(four >>> 8) & 0xffff] as number) +
      (weights[four >>> 16] as number);
    before = four >>> 24;
  }
  for (; at < length; at++) {
    const now = bytes.getUint8(at);
    sum += weights[before | (now << 8)] as number;
    before = now;
  }
  return sum;
}

/** Between two characters, not between the halves of one. */
function endOfPiece(text: string, from: number): number {
  const to = from + PIECE;
  if (to >= text.length) return text.length;
  const last = text.charCodeAt(to - 1);
  return last >= 0xd800 && last <= 0xdbff ? to - 1 : to;
}

/** What a byte is: each of a character beyond ASCII is one of `FOREIGN`. */
function classOf(byte: number): number {
  const char = String.fromCharCode(byte);
  if (byte > 127) return FOREIGN;
  if (/[a-z]/.test(char)) return LOWER;
  if (/[A-Z]/.test(char)) return UPPER;
  if (char === ' ') return SPACE;
  return '\t\n\r'.includes(char) ? BREAK : MARK;
}

/** Hundredths of a token for a byte, by `before | now << 8`, measured on the built-in model's tokens of random texts of each class, and of mixed ones. */
function weightsOfPairs(): Uint8Array {
  const of = (before: number, now: number): number => {
    const isLetter = before === LOWER || before === UPPER;
    if (now === LOWER) return isLetter ? 65 : 100;
    // a space belongs to the word that follows; runs of them are few tokens
    if (now === SPACE) return before === SPACE ? 25 : before === BREAK ? 70 : 6;
    if (now === BREAK) return before === BREAK || before === SPACE ? 65 : 100;
    // no tokenizer makes more than one of a byte
    return 100;
  };
  const classes = Array.from({ length: 256 }, (_, byte) => classOf(byte));
  return Uint8Array.from({ length: 256 * 256 }, (_, pair) => of(classes[pair & 255] ?? MARK, classes[pair >> 8] ?? MARK));
}
