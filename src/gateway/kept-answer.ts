/** An answer as the cache keeps it: as text, which may come back from a place where others write as well. */
import type { Block, ChatResponse, Choice, StopReason, Usage } from '../core/chat.ts';

export interface KeptAnswer {
  readonly response: ChatResponse;
  /** Fields of the request that had no effect. */
  readonly ignored: readonly string[];
}

/** As JSON: its size is known to the byte, and nobody who got it can change it for the next. */
export function textOfAnswer(answer: KeptAnswer): string {
  return JSON.stringify(answer);
}

/** Undefined for what is no answer, or that of a version which wrote it in another form. */
export function readAnswer(text: string): KeptAnswer | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(read) || !isTexts(read['ignored']) || !isResponse(read['response'])) return undefined;
  const { response, ignored } = read as unknown as KeptAnswer;
  // JSON has no word for a usage that nobody reported
  return { response: { ...response, usage: response.usage }, ignored };
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const having =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([name, check]) => check(value[name]));
const isTexts = listOf(isText);

const isState = having({ owner: isText, data: (value) => value !== undefined });

/** What each kind of block has at least. */
const BLOCKS: Readonly<Record<Block['type'], Check>> = {
  text: having({ text: isText, state: maybe(isState) }),
  image: having({ url: isText }),
  audio: having({ data: isText, format: isText }),
  file: isObject,
  refusal: having({ text: isText }),
  reasoning: having({ text: isText, state: maybe(isState) }),
  tool_call: having({
    id: isText,
    kind: (kind) => kind === 'function' || kind === 'custom',
    name: isText,
    input: isText,
    state: maybe(isState),
  }),
  speech: having({ id: isText, data: isText, transcript: isText, expiresAt: isNumber }),
  opaque: having({ state: isState }),
};

const isBlock: Check = (value) => {
  const type = isObject(value) ? value['type'] : undefined;
  return typeof type === 'string' && Object.hasOwn(BLOCKS, type) && BLOCKS[type as Block['type']](value);
};

const REASONS: Readonly<Record<StopReason, true>> = { stop: true, length: true, tool_calls: true, content_filter: true, pause: true };

const isToken = having({ token: isText, top: listOf(having({ token: isText })) });

const isChoice = having({
  blocks: listOf(isBlock),
  reason: (value) => typeof value === 'string' && Object.hasOwn(REASONS, value),
  annotations: maybe(listOf(having({ url: isText, title: isText, start: isNumber, end: isNumber }))),
  logprobs: maybe(listOf(isToken)),
} satisfies Record<keyof Choice, Check>);

const isUsage = having({
  promptTokens: isNumber,
  completionTokens: isNumber,
  cachedTokens: isNumber,
  reasoningTokens: isNumber,
} satisfies Partial<Record<keyof Usage, Check>>);

const isResponse = having({
  id: isText,
  model: isText,
  created: isNumber,
  fingerprint: maybe(isText),
  serviceTier: maybe(isText),
  choices: (value) => Array.isArray(value) && value.length > 0 && value.every(isChoice),
  usage: maybe(isUsage),
} satisfies Record<keyof ChatResponse, Check>);
