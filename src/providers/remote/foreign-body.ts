/** Bodies that are no stream although they come in place of one, with status 200. */
import type { ChatResponse } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage } from '../../protocols/failure.ts';
import type { Prepared } from '../../protocols/wire.ts';

export interface Foreign {
  see(chunk: Uint8Array, frames: number): void;
  /** The text of a body that held no frame at all, where it is JSON or a page. */
  page(): string | undefined;
}

/** A page of more bytes is not looked at any further. */
const LONGEST_PAGE = 64 * 1024;

/** What comes in place of a stream, under its name: an error as JSON, the page of a proxy. */
export function createForeign(): Foreign {
  let seen: Uint8Array[] | undefined = [];
  let bytes = 0;
  return {
    see(chunk, frames) {
      if (frames > 0) seen = undefined;
      if (!seen || bytes > LONGEST_PAGE) return;
      seen.push(chunk);
      bytes += chunk.length;
    },
    page() {
      const text = seen ? Buffer.concat(seen).toString('utf8').trim() : '';
      return /^[{[<]/.test(text) ? text : undefined;
    },
  };
}

/** Throws the error that it is, or says what it is. */
export function wholeOf(prepared: Prepared, page: string): ChatResponse {
  const body = jsonOf(page);
  if (body !== undefined) return prepared.response(body).response;
  const words = plainMessage(page);
  throw new GatewayError('upstream', `The provider sent no stream${words === '' ? '.' : `: ${words}`}`);
}
