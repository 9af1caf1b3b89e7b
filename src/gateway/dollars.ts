/** Whole nano-dollars as people write them: in dollars, with a point. */

/** What `nanosOfDollars` takes, for messages and schemas. */
export const DOLLARS = /^\d{1,9}(\.\d{1,9})?$/;

/** Of `25`, `0.5` or `0.000000001`; undefined for what is no such amount. */
export function nanosOfDollars(text: string): bigint | undefined {
  if (!DOLLARS.test(text)) return undefined;
  const [whole = '0', part = ''] = text.split('.');
  return BigInt(whole) * 1_000_000_000n + BigInt(part.padEnd(9, '0'));
}

/** `25.00`, `0.000000001`, `-0.50`: at least cents, and no digit too few. */
export function dollarsText(nanos: bigint): string {
  const amount = nanos < 0n ? -nanos : nanos;
  const part = String(amount % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0{1,7}$/, '');
  return `${nanos < 0n ? '-' : ''}${amount / 1_000_000_000n}.${part}`;
}
