/** The order of lists that are newest first, and the part of one that a page asks for. */
import { sql } from 'kysely';
import type { SelectQueryBuilder, SqlBool } from 'kysely';
import type { PageOptions } from '../gateway/store-ports.ts';
import { numberedPlaceOf, placeOf } from './cursor.ts';
import type { Schema } from './schema.ts';

interface Order {
  readonly at: string;
  /** Tells rows of the same time apart. */
  readonly tie: string;
  readonly placeOf: (cursor: string) => { readonly at: bigint; readonly tie: bigint | string };
}

export const BY_CREATION: Order = { at: 'created_at', tie: 'id', placeOf };
export const BY_ARRIVAL: Order = { at: 'at', tie: 'seq', placeOf: numberedPlaceOf };

/** One row more than the page is long: it says whether there is another page. Throws as `placeOf` does for what is no cursor. */
export function newestFirst<Table extends keyof Schema, Row>(
  query: SelectQueryBuilder<Schema, Table, Row>,
  { cursor, limit }: PageOptions,
  order: Order,
): SelectQueryBuilder<Schema, Table, Row> {
  const at = sql.ref(order.at);
  const tie = sql.ref(order.tie);
  const place = cursor === undefined ? undefined : order.placeOf(cursor);
  const rest = place ? query.where(sql<SqlBool>`(${at}, ${tie}) < (${place.at}, ${place.tie})`) : query;
  return rest
    .orderBy(at, 'desc')
    .orderBy(tie, 'desc')
    .limit(limit + 1);
}
