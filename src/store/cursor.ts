/** Cursors of lists that are newest first: the time of the last item, and what tells items of the same time apart. */
import { GatewayError } from '../core/error.ts';
import type { Page, PageOptions } from '../gateway/store-ports.ts';

export interface Place {
  readonly at: bigint;
  readonly tie: string;
}

export function cursorOf({ at, tie }: Place): string {
  return Buffer.from(`${at}.${tie}`).toString('base64url');
}

/** Throws a `GatewayError` of kind `invalid_value` for what is no cursor. */
export function placeOf(cursor: string): Place {
  const [, at, tie] = /^(-?\d{1,18})\.(.+)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (at === undefined || tie === undefined) throw badCursor('cursor');
  return { at: BigInt(at), tie };
}

/** As `placeOf`, where `tie` is a number. */
export function numberedPlaceOf(cursor: string): { readonly at: bigint; readonly tie: bigint } {
  const { at, tie } = placeOf(cursor);
  if (!/^\d{1,18}$/.test(tie)) throw badCursor('cursor');
  return { at, tie: BigInt(tie) };
}

export function badCursor(param: string): GatewayError {
  return new GatewayError('invalid_value', `There is no such place in this list; take the cursor of the page before as it is.`, { param });
}

/** `rows` is one more than the page is long where there is another page. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  { limit }: PageOptions,
  how: { readonly item: (row: Row) => Item; readonly cursor: (row: Row) => string },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next = rows.length > limit && last !== undefined ? how.cursor(last) : undefined;
  return { items: shown.map(how.item), next };
}
