/** Is it the data that a database does not take, or is it the database that is away? */

/** SQLite's result codes: too big, a constraint, the wrong type. */
const SQLITE_REFUSALS: ReadonlySet<number> = new Set([18, 19, 20]);

/** The same data would be refused again. False for all that may pass: no connection, a full disk, locks, time-outs. */
export function isRefusal(error: unknown): boolean {
  // values that are no whole numbers, or do not fit 64 bits
  if (error instanceof RangeError || error instanceof TypeError) return true;
  if (!(error instanceof Error)) return false;
  if ('errcode' in error && typeof error.errcode === 'number') return SQLITE_REFUSALS.has(error.errcode & 0xff);
  // classes of SQLSTATE: data exception, integrity constraint violation
  return 'code' in error && typeof error.code === 'string' && /^(22|23)[0-9A-Z]{3}$/.test(error.code);
}
