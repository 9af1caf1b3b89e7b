/** Images, documents, sound and film as Converse takes them: bytes in base64, or a place in S3; never another URL. */
import type { AudioBlock, FileBlock, ImageBlock } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { Content } from './content.ts';
import { entry } from '../json.ts';

const IMAGES: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};

const DOCUMENTS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'text/html': 'html',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'application/json': 'txt',
  'application/xml': 'txt',
  'application/yaml': 'txt',
  'application/x-yaml': 'txt',
  'application/javascript': 'txt',
};

const SOUNDS: Readonly<Record<string, string>> = {
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
  'audio/aac': 'aac',
  'audio/flac': 'flac',
  'audio/ogg': 'ogg',
  'audio/opus': 'opus',
  'audio/mp4': 'm4a',
  'audio/webm': 'webm',
};

const FILMS: Readonly<Record<string, string>> = {
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/x-matroska': 'mkv',
  'video/webm': 'webm',
  'video/x-flv': 'flv',
  'video/mpeg': 'mpeg',
  'video/x-ms-wmv': 'wmv',
  'video/3gpp': 'three_gp',
};

/** Media types of the endings of file names. */
const ENDINGS: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  pdf: 'application/pdf',
  csv: 'text/csv',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  html: 'text/html',
  htm: 'text/html',
  md: 'text/markdown',
  txt: 'text/plain',
  text: 'text/plain',
  log: 'text/plain',
  json: 'text/plain',
  xml: 'text/plain',
  yaml: 'text/plain',
  yml: 'text/plain',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  m4a: 'audio/mp4',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
};

interface Data {
  readonly media: string;
  /** Base64. */
  readonly bytes: string;
}

/** A data URL taken apart; text that is not base64 becomes so. Undefined where it is none. */
function fromDataUrl(url: string): Data | undefined {
  const comma = url.indexOf(',');
  if (!/^data:/i.test(url) || comma < 0) return undefined;
  const [media = '', ...parameters] = url.slice(5, comma).split(';');
  const rest = url.slice(comma + 1);
  const encoded = parameters.some((parameter) => parameter.trim().toLowerCase() === 'base64');
  return { media: media.trim().toLowerCase(), bytes: encoded ? rest : Buffer.from(decoded(rest)).toString('base64') };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // a lone percent sign: then it was not escaped at all
    return text;
  }
}

function mediaOfName(name: string): string | undefined {
  return entry(ENDINGS, /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase());
}

function unsupported(at: string, message: string): GatewayError {
  return new GatewayError('unsupported_value', `Unsupported value at '${at}': ${message}`, { param: at });
}

const s3 = (uri: string): Content => ({ s3Location: { uri } });

/** Throws `unsupported_value` for formats beyond PNG, JPEG, GIF and WebP, and for URLs other than `data:` and `s3:`. */
export function imageContent({ url, at }: ImageBlock): Content {
  if (url.startsWith('s3://')) return image(mediaOfName(url), s3(url), at);
  const data = fromDataUrl(url);
  if (!data) throw unsupported(at, 'this provider takes images as data URLs or s3:// URIs only.');
  return image(data.media, { bytes: data.bytes }, at);
}

function image(media: string | undefined, source: Content, at: string): Content {
  const format = entry(IMAGES, media);
  if (!format) throw unsupported(at, 'this provider takes PNG, JPEG, GIF and WebP images.');
  return { image: { format, source } };
}

/** Throws `unsupported_value` for a format that Converse has no name for. */
export function audioContent({ data, format, at }: AudioBlock): Content {
  if (!Object.values(SOUNDS).includes(format)) throw unsupported(at, `this provider does not take audio of the format ${format}.`);
  return { audio: { format, source: { bytes: fromDataUrl(data)?.bytes ?? data } } };
}

/**
 * A file by its media type, else by the ending of its name: a document, an image, sound or film. `names` makes the
 * document's name. An id is taken where it is an s3:// URI. Throws `unsupported_value` for other ids and formats.
 */
export function fileContent({ data, fileId, filename, at }: FileBlock, names: DocumentNames): Content {
  const found = sourceOf(data, fileId, at);
  const known = found.media !== '' && found.media !== 'application/octet-stream' ? found.media : undefined;
  const media = known ?? mediaOfName(filename ?? fileId ?? '') ?? (data && isPdf(found.source) ? 'application/pdf' : undefined);
  if (entry(IMAGES, media) !== undefined) return image(media, found.source, at);
  const sound = entry(SOUNDS, media);
  if (sound) return { audio: { format: sound, source: found.source } };
  const film = entry(FILMS, media);
  if (film) return { video: { format: film, source: found.source } };
  const format = entry(DOCUMENTS, media) ?? (media?.startsWith('text/') ? 'txt' : undefined);
  if (!format) {
    const wanted = 'PDF, CSV, Word, Excel, HTML, Markdown or plain text, named by its media type or the ending of its name';
    throw unsupported(at, `this provider takes files that are ${wanted}.`);
  }
  return { document: { format, name: names(filename ?? ''), source: found.source } };
}

function sourceOf(data: string | undefined, fileId: string | undefined, at: string): { media: string; source: Content } {
  if (data !== undefined) {
    const url = fromDataUrl(data);
    return { media: url?.media ?? '', source: { bytes: url?.bytes ?? data } };
  }
  if (fileId?.startsWith('s3://')) return { media: '', source: s3(fileId) };
  throw unsupported(at, "this provider keeps no files. Send the file itself as 'file_data', or an s3:// URI as 'file_id'.");
}

/** `%PDF-` in base64. */
const isPdf = ({ bytes }: Content): boolean => typeof bytes === 'string' && bytes.startsWith('JVBERi0');

/** Names the documents of one request. */
export type DocumentNames = (filename: string) => string;

const LONGEST_NAME = 200;

/**
 * Converse takes letters, digits, single white space, hyphens, parentheses and square brackets, at most 200, and each
 * name once. The ending goes: the format says it.
 */
export function documentNames(): DocumentNames {
  const used = new Set<string>();
  return (filename) => {
    const bare = filename
      .replace(/\.[^./\\]*$/, '')
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .replace(/[^A-Za-z0-9()[\]-]+/g, ' ')
      .trim()
      .slice(0, LONGEST_NAME - 5)
      .trim();
    const name = bare === '' ? 'document' : bare;
    let unique = name;
    for (let number = 2; used.has(unique); number++) unique = `${name} ${number}`;
    used.add(unique);
    return unique;
  };
}
