/** What a model thought, in the fields and parts that providers tell it in. */
import type { Json } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Some servers tell the same text under two names: only the first counts. */
const NAMES = ['reasoning_content', 'reasoning', 'reasoning_text', 'thinking'] as const;

/** The reasoning of a delta or a message; '' where there is none. */
export function reasoningOf(delta: Fields): string {
  for (const name of NAMES) {
    const value = delta[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  const details = delta['reasoning_details'];
  return details === undefined ? '' : list(details).map(detailText).join('');
}

function detailText(detail: unknown): string {
  const { text: told, summary } = fields(detail);
  return text(told) ?? text(summary) ?? '';
}

/** The text of a part of type `thinking`: a string, or parts of its own. */
export function thinkingOf(part: Fields): string {
  const { thinking } = part;
  if (typeof thinking === 'string') return thinking;
  return list(thinking)
    .map((piece) => text(fields(piece)['text']) ?? '')
    .join('');
}

type Detail = Record<string, Json>;

/** Entries of `reasoning_details`, put together from their pieces in a stream. */
export interface DetailReader {
  push(details: unknown): void;
  all(): readonly Json[];
}

const GROWING: ReadonlySet<string> = new Set(['text', 'summary', 'data']);

/** Pieces of one entry have its type and index; the texts of pieces that follow each other grow, other fields are set. */
export function createDetailReader(): DetailReader {
  const details: Detail[] = [];

  return {
    push(pieces) {
      for (const piece of list(pieces)) {
        // parsed from JSON, all of it
        const fresh = { ...(fields(piece) as Detail) };
        const last = details.at(-1);
        if (last && belongs(fresh, last)) extend(last, fresh);
        else details.push(fresh);
      }
    },
    all: () => details,
  };
}

/** A signature ends an entry: what comes behind it is another one. */
function belongs(piece: Detail, to: Detail): boolean {
  if (piece['type'] !== to['type'] || piece['index'] !== to['index'] || piece['type'] === 'reasoning.encrypted') return false;
  const sameId = piece['id'] == null || to['id'] == null || piece['id'] === to['id'];
  return sameId && (to['signature'] == null || (piece['text'] ?? '') === '');
}

function extend(detail: Detail, piece: Detail): void {
  for (const [key, value] of Object.entries(piece)) {
    const before = detail[key];
    if (GROWING.has(key) && typeof value === 'string' && typeof before === 'string') detail[key] = before + value;
    else if (value !== null) detail[key] = value;
  }
}
