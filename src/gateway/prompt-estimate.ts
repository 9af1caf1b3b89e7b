/**
 * How many tokens a prompt has at most, from its own size, before anybody counts them. Texts are weighed by what their
 * characters are: a token for each byte, which no tokenizer passes, but for small letters and spaces, which are weighed by
 * what the model that ships with the server makes of random ones; large models make less of them. That is about 2.4 times
 * what it counts for English, 2 for code, 1.7 for JSON, 2 to 3 for texts of other scripts (large models count less of those: up to
 * a fifth of the estimate). What a provider's own tools will read, nobody can know before.
 */
import type { AudioBlock, Block, ChatRequest, FileBlock } from '../core/chat.ts';

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

const OTHER = 9;
const [LOWER, UPPER, DIGIT, MARK, SPACE, BREAK, TWO_BYTES, THREE_BYTES, HALF] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
const CLASSES = classesOfAscii();
const WEIGHTS = weightsOfPairs();

export function estimatePromptTokens(request: ChatRequest): number {
  return estimatePrompt(request).tokens;
}

export function estimatePrompt(request: ChatRequest): PromptEstimate {
  const { messages, tools, responseFormat, raw } = request;
  let text = FOR_REQUEST;
  let audioTokens = 0;
  let imageTokens = 0;
  let longCache = false;
  for (const { blocks, name, toolName } of messages) {
    text += FOR_MESSAGE + tokensOfText(name ?? '') + tokensOfText(toolName ?? '');
    for (const block of blocks) {
      if (block.type === 'image') imageTokens += FOR_IMAGE;
      else if (block.type === 'audio') audioTokens += tokensOfAudio(block);
      else text += tokensOfBlock(block);
      longCache ||= 'cache' in block && isLong(block.cache?.ttl);
    }
  }
  for (const tool of tools) {
    text += FOR_TOOL + tokensOfText(tool.name) + tokensOfText(tool.description ?? '');
    text += tool.kind === 'function' ? tokensOfJson(tool.parameters) : tokensOfText(tool.grammar?.definition ?? '');
    longCache ||= tool.kind === 'function' && isLong(tool.cache?.ttl);
  }
  if (tools.length > 0) text += FOR_TOOLS;
  if (responseFormat.type === 'json_schema')
    text += FOR_TOOL + tokensOfText(responseFormat.description ?? '') + tokensOfJson(responseFormat.schema);
  const modalities = raw['modalities'];
  const otherOutput = raw['audio'] != null || (Array.isArray(modalities) && modalities.some((one) => one !== 'text'));
  return { tokens: text + audioTokens + imageTokens, audioTokens, imageTokens, longCache, otherOutput };
}

/** A prompt is no longer than what the model takes. */
export function withinWindow(estimate: PromptEstimate, contextWindow: number | undefined): PromptEstimate {
  if (contextWindow === undefined || estimate.tokens <= contextWindow) return estimate;
  const audioTokens = Math.min(estimate.audioTokens, contextWindow);
  return { ...estimate, tokens: contextWindow, audioTokens, imageTokens: Math.min(estimate.imageTokens, contextWindow - audioTokens) };
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

/** By pairs of neighbours: one look at a table for each character. */
export function tokensOfText(text: string): number {
  let hundredths = 0;
  let before = OTHER;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const now = code < 128 ? (CLASSES[code] as number) : classOf(code);
    hundredths += WEIGHTS[(before << 4) | now] as number;
    before = now;
  }
  return Math.ceil(hundredths / 100);
}

function classOf(code: number): number {
  if (code < 0x800) return TWO_BYTES;
  return code >= 0xd800 && code <= 0xdfff ? HALF : THREE_BYTES;
}

function classesOfAscii(): Uint8Array {
  const of = (char: string): number => {
    if (/[a-z]/.test(char)) return LOWER;
    if (/[A-Z]/.test(char)) return UPPER;
    if (/[0-9]/.test(char)) return DIGIT;
    if (char === ' ') return SPACE;
    return '\t\n\r'.includes(char) ? BREAK : MARK;
  };
  return Uint8Array.from({ length: 128 }, (_, code) => of(String.fromCharCode(code)));
}

/** Hundredths of a token, measured on the built-in model's tokens of random texts of each class, and of mixed ones. */
function weightsOfPairs(): Uint16Array {
  // no tokenizer makes more than one of a byte
  const always: Readonly<Record<number, number>> = {
    [UPPER]: 100,
    [DIGIT]: 100,
    [MARK]: 100,
    [TWO_BYTES]: 200,
    [THREE_BYTES]: 300,
    [HALF]: 200,
  };
  const of = (before: number, now: number): number => {
    const isLetter = before === LOWER || before === UPPER;
    if (now === LOWER) return isLetter ? 65 : 100;
    // a space belongs to the word that follows; runs of them are few tokens
    if (now === SPACE) return before === SPACE ? 25 : before === BREAK ? 70 : 6;
    if (now === BREAK) return before === BREAK || before === SPACE ? 65 : 100;
    return always[now] ?? 0;
  };
  return Uint16Array.from({ length: 10 * 16 }, (_, index) => of(Math.floor(index / 16), index % 16));
}
