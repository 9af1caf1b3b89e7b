/** What users and instructions say, as content blocks of the Messages API. */
import type { AudioBlock, Block, FileBlock, ImageBlock } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { entry } from '../json.ts';
import type { Draft } from './cache.ts';
import type { Settled } from './quirks.ts';

type Part = Readonly<Record<string, unknown>>;

const IMAGES: Readonly<Record<string, string>> = {
  'image/jpeg': 'image/jpeg',
  'image/jpg': 'image/jpeg',
  'image/png': 'image/png',
  'image/gif': 'image/gif',
  'image/webp': 'image/webp',
};

const PDF = 'application/pdf';

/** Media types by the end of a file's name, where they are more than text. */
const BY_NAME: Readonly<Record<string, string>> = {
  pdf: PDF,
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
};

const TEXT_NAMES =
  /\.(?:txt|text|md|markdown|csv|tsv|json|jsonl|xml|html?|css|ya?ml|toml|ini|log|rst|tex|sql|sh|py|js|mjs|ts|tsx|jsx|java|kt|go|rs|rb|php|c|h|cpp|cs|swift)$/i;

/** How base64 of well-known formats begins. */
const BY_CONTENT: readonly (readonly [string, string])[] = [
  ['JVBERi', PDF],
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
];

const unsupported = (block: ImageBlock | AudioBlock | FileBlock, problem: string): GatewayError =>
  new GatewayError('unsupported_value', `Invalid '${block.at}': ${problem}`, { param: block.at });

/** Text that the API takes: it refuses blocks of nothing but white space. */
export const saysSomething = (text: string): boolean => text.trim() !== '';

/** Notes for the report of a request: paths without effect, and whether file ids are in use. */
export interface Notes {
  readonly ignored: string[];
  readonly betas: Set<string>;
}

/** The blocks of a user's, a tool's or an instruction's message. Throws `unsupported_value` for what the model cannot be sent. */
export function contentDrafts(blocks: readonly Block[], quirks: Settled, notes: Notes): Draft[] {
  return blocks.flatMap((block) => {
    const part = contentPart(block, quirks, notes);
    return part ? [{ part, cache: 'cache' in block ? block.cache : undefined }] : [];
  });
}

function contentPart(block: Block, quirks: Settled, notes: Notes): Part | undefined {
  switch (block.type) {
    case 'text':
    case 'refusal':
      return saysSomething(block.text) ? { type: 'text', text: block.text } : undefined;
    case 'image':
      if (block.detail === 'low' || block.detail === 'high') notes.ignored.push(`${block.at}.image_url.detail`);
      return imagePart(block, quirks);
    case 'file':
      return filePart(block, quirks, notes);
    case 'audio':
      throw unsupported(block, 'this model takes no audio. Send a transcript as text.');
    default:
      return undefined;
  }
}

function imagePart(block: ImageBlock, quirks: Settled): Part {
  const data = dataOf(block.url);
  if (!data) {
    if (/^https?:/i.test(block.url)) {
      if (quirks.urlSources) return { type: 'image', source: { type: 'url', url: block.url } };
      throw unsupported(block, "this provider fetches no images. Send it as a 'data:' URL.");
    }
    throw unsupported(block, "expected an https URL or a base64 'data:' URL.");
  }
  const source = imageSource(data.media, data.base64);
  if (!source) throw unsupported(block, `this model takes images as JPEG, PNG, GIF or WebP, not as '${data.media || 'unknown'}'.`);
  return source;
}

function imageSource(media: string, data: string): Part | undefined {
  const type = entry(IMAGES, media);
  if (type === undefined) return undefined;
  return { type: 'image', source: { type: 'base64', media_type: type, data } };
}

interface Data {
  readonly media: string;
  readonly base64: string;
}

/** A base64 data URL in its parts. */
function dataOf(url: string): Data | undefined {
  const comma = url.indexOf(',');
  if (comma < 0 || !/^data:/i.test(url)) return undefined;
  const [media = '', ...parameters] = url.slice(5, comma).split(';');
  if (!parameters.some((one) => one.trim().toLowerCase() === 'base64')) return undefined;
  return { media: media.trim().toLowerCase(), base64: url.slice(comma + 1) };
}

function filePart(block: FileBlock, quirks: Settled, notes: Notes): Part {
  const { filename, data, fileId } = block;
  const titled = filename === undefined ? {} : { title: filename };
  if (data === undefined) {
    if (!quirks.fileIds) throw unsupported(block, "this provider knows no file ids. Send the file itself as 'file_data'.");
    notes.betas.add('files-api-2025-04-14');
    const source = { type: 'file', file_id: fileId };
    return isImageName(filename) ? { type: 'image', source } : { type: 'document', source, ...titled };
  }
  if (/^https?:/i.test(data)) {
    if (quirks.urlSources) return { type: 'document', source: { type: 'url', url: data }, ...titled };
    throw unsupported(block, "this provider fetches no files. Send the file itself as 'file_data'.");
  }
  const given = dataOf(data) ?? { media: '', base64: data };
  const media = mediaOf(given, filename);
  const image = imageSource(media, given.base64);
  if (image) return image;
  if (media === PDF) return { type: 'document', source: { type: 'base64', media_type: PDF, data: given.base64 }, ...titled };
  if (isText(media)) {
    const plain = Buffer.from(given.base64, 'base64').toString('utf8');
    if (!saysSomething(plain)) throw unsupported(block, 'the document is empty.');
    return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: plain }, ...titled };
  }
  throw unsupported(block, `this model takes PDF, plain text and images as files, not '${media || filename || 'unknown'}'.`);
}

const isImageName = (name: string | undefined): boolean => /\.(?:png|jpe?g|gif|webp)$/i.test(name ?? '');

const isText = (media: string): boolean =>
  media.startsWith('text/') || /^application\/(?:json|xml|yaml|x-yaml|javascript|.*\+(?:json|xml))$/.test(media);

/** What the file says it is, else what its name says, else what it looks like. */
function mediaOf({ media, base64 }: Data, filename = ''): string {
  if (media !== '' && media !== 'application/octet-stream') return media;
  const ending = /\.([a-z0-9]+)$/i.exec(filename)?.[1]?.toLowerCase() ?? '';
  const known = entry(BY_NAME, ending) ?? BY_CONTENT.find(([start]) => base64.startsWith(start))?.[1];
  return known ?? (TEXT_NAMES.test(filename) ? 'text/plain' : media);
}
