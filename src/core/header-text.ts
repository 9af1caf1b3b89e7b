/** The text of HTTP's headers, as whoever reads or writes them by hand needs it. */

/** A header's name: a token (RFC 9110, 5.6.2). */
export const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/**
 * A header's value: visible characters, spaces and tabs between them, and what older texts call obs-text. Anything else would end its line
 * and begin another header.
 */
export const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Where the line that `from` is in ends: at its CRLF, or at the end of the text. */
export function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\r\n', from);
  return end < 0 ? text.length : end;
}

/** Without the spaces and tabs around it, and nothing else. */
export function withoutBlanks(value: string): string {
  let from = 0;
  let to = value.length;
  while (from < to && isBlank(value.charCodeAt(from))) from++;
  while (to > from && isBlank(value.charCodeAt(to - 1))) to--;
  return value.slice(from, to);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
