/** Images, sounds and documents as parts of a turn. */
import type { AudioBlock, FileBlock, ImageBlock } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { Part } from './parts.ts';
import { entry } from '../json.ts';

export interface MediaPlace {
  readonly vertex: boolean;
  readonly baseUrl: string;
}

const BY_EXTENSION: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  opus: 'audio/ogg',
  aac: 'audio/aac',
  m4a: 'audio/m4a',
  aiff: 'audio/aiff',
  mp4: 'video/mp4',
  mov: 'video/mov',
  mpg: 'video/mpg',
  mpeg: 'video/mpeg',
  webm: 'video/webm',
  wmv: 'video/wmv',
  avi: 'video/avi',
  txt: 'text/plain',
  md: 'text/md',
  csv: 'text/csv',
  html: 'text/html',
  htm: 'text/html',
  css: 'text/css',
  xml: 'text/xml',
  rtf: 'text/rtf',
  json: 'text/plain',
  js: 'text/javascript',
  ts: 'text/plain',
  py: 'text/x-python',
  yaml: 'text/plain',
  yml: 'text/plain',
};

/** How base64 of well-known formats begins. */
const BY_BEGINNING: readonly (readonly [string, string])[] = [
  ['JVBERi', 'application/pdf'],
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
];

const extensionOf = (name: string): string => /\.([A-Za-z0-9]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';

function typeOfUrl(url: string): string | undefined {
  return entry(BY_EXTENSION, extensionOf(url.replace(/[?#].*$/s, '')));
}

const unsupported = (param: string, message: string): GatewayError =>
  new GatewayError('unsupported_value', `Invalid '${param}': ${message}`, { param });

/** A data URL's type and base64; undefined for other texts. Data that is not base64 is made so. */
function dataUrl(url: string): { readonly mimeType: string; readonly data: string } | undefined {
  const match = /^data:([^,;]*)((?:;[^,;]*)*),/i.exec(url);
  if (!match) return undefined;
  const [head, type = '', attributes = ''] = match;
  const data = url.slice(head.length);
  const mimeType = type.toLowerCase() || 'text/plain';
  if (/;base64$/i.test(attributes)) return { mimeType, data };
  return { mimeType, data: Buffer.from(unescaped(data)).toString('base64') };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // no percent-encoding after all
    return text;
  }
}

export function imagePart(block: ImageBlock, place: MediaPlace): Part {
  const inline = dataUrl(block.url);
  if (!inline) return uriPart(block.url, { place, at: block.at });
  if (!inline.mimeType.startsWith('image/')) throw unsupported(block.at, `expected an image, but it says '${inline.mimeType}'.`);
  return { inlineData: inline };
}

export function audioPart(block: AudioBlock): Part {
  const inline = dataUrl(block.data);
  const format = block.format.toLowerCase();
  return { inlineData: { mimeType: entry(BY_EXTENSION, format) ?? `audio/${format}`, data: inline?.data ?? block.data } };
}

export function filePart(block: FileBlock, place: MediaPlace): Part {
  const { data, fileId, filename = '', at } = block;
  if (data === undefined) return idPart(fileId ?? '', { filename, place, at });
  if (/^(?:https?|gs):\/\//i.test(data)) return uriPart(data, { place, at, filename });
  const inline = dataUrl(data);
  const said = inline?.mimeType === 'application/octet-stream' ? undefined : inline?.mimeType;
  const bytes = inline?.data ?? data;
  const found = said ?? entry(BY_EXTENSION, extensionOf(filename)) ?? BY_BEGINNING.find(([begin]) => bytes.startsWith(begin))?.[1];
  if (found === undefined) {
    throw unsupported(at, "it does not say what it is. Expected 'file_data' as a data URL with a type, or a 'filename' with an extension.");
  }
  return { inlineData: { mimeType: readable(found, at), data: bytes } };
}

/** Types that the models read; texts of any kind are plain text to them. */
function readable(type: string, at: string): string {
  if (/^(?:image|audio|video|text)\//.test(type) || type === 'application/pdf') return type;
  if (/^application\/(?:json|xml|javascript|x-javascript|yaml|x-yaml|x-python|x-sh|sql|toml|[\w.-]+\+(?:json|xml))$/.test(type))
    return 'text/plain';
  throw unsupported(at, `'${type}' cannot be read by this model. Expected a PDF, an image, audio, video or text.`);
}

interface UriOptions {
  readonly place: MediaPlace;
  readonly at: string;
  readonly filename?: string;
}

function uriPart(fileUri: string, { place, at, filename = '' }: UriOptions): Part {
  const mimeType = typeOfUrl(fileUri) ?? entry(BY_EXTENSION, extensionOf(filename));
  if (mimeType !== undefined) return { fileData: { mimeType, fileUri } };
  if (/^https:\/\/(?:www\.)?(?:youtube\.com|youtu\.be)\//i.test(fileUri)) return { fileData: { mimeType: 'video/mp4', fileUri } };
  if (!place.vertex) return { fileData: { fileUri } };
  throw unsupported(at, 'its type cannot be told. Expected an address that ends with an extension, as in photo.png, or a data URL.');
}

/** An id of the Files API (`files/abc`), or an address that stands for a file. */
function idPart(id: string, options: UriOptions): Part {
  const { place, at } = options;
  if (/^(?:https?|gs):\/\//i.test(id)) return uriPart(id, options);
  if (!place.vertex) return uriPart(`${place.baseUrl}/${id.startsWith('files/') ? id : `files/${id}`}`, options);
  throw unsupported(at, "files are not uploaded here. Expected 'file_data', or a 'file_id' that is a gs:// or https:// address.");
}
