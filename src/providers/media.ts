/** Images by URL as data URLs, for providers that do not fetch by themselves. */
import { following } from '../core/abort.ts';
import type { Signal } from '../core/abort.ts';
import type { ChatRequest, ImageBlock, Message } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import type { ImageFetcher } from './image-fetcher.ts';

export interface InlineOptions {
  readonly fetcher: ImageFetcher;
  readonly signal: Signal;
  /** Addresses of one request at most. */
  readonly maxImages?: number;
  /** Bytes of all images of one request together. */
  readonly maxTotalBytes?: number;
}

const AT_ONCE = 4;

/**
 * The request with every image at an http(s) URL as a data URL, in `messages` and in `raw`; the same request where there is
 * none. Nothing of the given one is changed, and what needs no change is shared. One URL is fetched once. Rejects with the
 * signal's reason, or a GatewayError (400) whose `param` is the place of the URL, at the first image that cannot be had.
 */
export async function inlineImages(request: ChatRequest, options: InlineOptions): Promise<ChatRequest> {
  const { fetcher, signal, maxImages = 20, maxTotalBytes = 64 * 1024 * 1024 } = options;
  const remote = request.messages.flatMap(({ blocks }) => blocks.filter(isRemote));
  if (remote.length === 0) return request;
  const first = new Map<string, string>();
  for (const { url, at } of remote) if (!first.has(url)) first.set(url, paramOf(at));
  const [over] = [...first.values()].slice(maxImages);
  if (over !== undefined) throw refused(over, `a request may have ${maxImages} images by URL at most.`);

  const { control, leave } = following(signal);
  const dataUrls = new Map<string, string>();
  let total = 0;
  const fetchNext = async ([url, param]: [string, string]): Promise<void> => {
    const take = (bytes: number): void => {
      total += bytes;
      if (total > maxTotalBytes) throw refused(param, `the images of a request may have ${maxTotalBytes} bytes together.`);
    };
    const { mime, bytes } = await fetcher.get(url, { param, take, signal: control });
    dataUrls.set(url, `data:${mime};base64,${bytes.toString('base64')}`);
  };
  try {
    await eachOf([...first], AT_ONCE, fetchNext);
  } catch (cause) {
    control.abort(cause);
    throw cause;
  } finally {
    leave();
  }
  const dataUrlOf = (block: ImageBlock): string => dataUrls.get(block.url) ?? block.url;
  const messages = request.messages.map((message) => withDataUrls(message, dataUrlOf));
  const raw = remote.reduce<unknown>((body, block) => replaced(body, stepsOf(`${block.at}.image_url.url`), dataUrlOf(block)), request.raw);
  return { ...request, messages, raw: raw as ChatRequest['raw'] };
}

function isRemote(block: Message['blocks'][number]): block is ImageBlock {
  return block.type === 'image' && /^https?:/i.test(block.url.trimStart());
}

const paramOf = (at: string): string => `${at}.image_url.url`;

function refused(param: string, why: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid image at '${param}': ${why}`, { param });
}

function withDataUrls(message: Message, dataUrlOf: (block: ImageBlock) => string): Message {
  if (!message.blocks.some(isRemote)) return message;
  return { ...message, blocks: message.blocks.map((block) => (isRemote(block) ? { ...block, url: dataUrlOf(block) } : block)) };
}

/** `messages[0].content[1]` as the keys that lead there. */
function stepsOf(path: string): readonly (string | number)[] {
  return [...path.matchAll(/([^.[\]]+)(\])?/g)].map(([, key = '', index]) => (index === undefined ? key : Number(key)));
}

/** A copy of what lies on the way, with another value at its end; the value itself where the way is not there. */
function replaced(value: unknown, steps: readonly (string | number)[], end: string): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return end;
  if (Array.isArray(value)) return value.map((item: unknown, index) => (index === step ? replaced(item, rest, end) : item));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  return { ...fields, [step]: replaced(fields[step], rest, end) };
}

/** Works on all of them, so many at a time. Rejects with the first failure, while others may still be at work. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
