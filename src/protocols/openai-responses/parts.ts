/** Parts of messages that people and tools wrote: text, images, files. */
import type { Block, CacheMark, FileBlock } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';
import { entry } from '../json.ts';

export type Part = Readonly<Record<string, unknown>>;

/**
 * The part, or undefined where a block has no place in such a message. Throws `unsupported_value` for audio, and for
 * kinds that the row says it does not take. `marked` is whether its cache mark is to be sent.
 */
export function inputPart(block: Block, quirks: OpenAIResponsesQuirks, marked: boolean): Part | undefined {
  switch (block.type) {
    case 'text':
      return { type: 'input_text', text: block.text, ...mark(block.cache, marked) };
    case 'image':
      checkTaken('image', block.at, quirks);
      return { type: 'input_image', image_url: block.url, detail: block.detail ?? 'auto', ...mark(block.cache, marked) };
    case 'file':
      checkTaken('file', block.at, quirks);
      return { ...filePart(block), ...mark(block.cache, marked) };
    case 'audio':
      throw refused(block.at, 'audio', 'Send its transcript as text, or use a model that answers on chat completions and hears.');
    case 'refusal':
    case 'reasoning':
    case 'tool_call':
    case 'speech':
    case 'opaque':
      return undefined;
  }
}

/** Lifetimes that the protocol has for a mark; with others the provider's own default counts. */
function mark(cache: CacheMark | undefined, marked: boolean): Part {
  if (!cache || !marked) return {};
  return { prompt_cache_breakpoint: { mode: 'explicit', ...(cache.ttl === '30m' ? { ttl: cache.ttl } : {}) } };
}

function checkTaken(kind: 'image' | 'file', at: string, { parts }: OpenAIResponsesQuirks): void {
  if (parts === undefined || parts.includes(kind)) return;
  throw refused(at, kind === 'image' ? 'images' : 'files', 'Send text, or use a model of another provider.');
}

function refused(at: string, what: string, instead: string): GatewayError {
  return new GatewayError('unsupported_value', `Unsupported value: '${at}': this model takes no ${what}. ${instead}`, { param: at });
}

function filePart({ filename, data, fileId }: FileBlock): Part {
  if (data === undefined) return { type: 'input_file', file_id: fileId };
  const type = mediaType(data, filename);
  const url = data.startsWith('data:') ? data : `data:${type};base64,${data}`;
  // a file that comes as data needs a name
  return { type: 'input_file', filename: filename ?? `file.${entry(EXTENSIONS, type) ?? 'bin'}`, file_data: url };
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'text/csv': 'csv',
  'text/html': 'html',
  'application/json': 'json',
};

const TYPES: ReadonlyMap<string, string> = new Map(Object.entries(EXTENSIONS).map(([type, extension]) => [extension, type]));

/** What a data URL says, else what the name's ending says, else what files mostly are. */
function mediaType(data: string, filename: string | undefined): string {
  const told = /^data:([^;,]+)/.exec(data)?.[1];
  if (told !== undefined) return told;
  const extension = filename?.split('.').at(-1)?.toLowerCase() ?? '';
  return TYPES.get(extension) ?? 'application/pdf';
}
