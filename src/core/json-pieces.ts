/** JSON that goes out as it came in, where nothing of it has to change. */

type Fields = Readonly<Record<string, unknown>>;

/** JSON as text, or as pieces one after the other: text, and UTF-8 that is not copied. */
export type JsonText = string | readonly (string | Uint8Array)[];

/** What a client's body was, beside what was parsed of it. */
export interface Source {
  readonly value: Fields;
  /** The large ones among its fields as the client wrote them, by name. */
  readonly written: ReadonlyMap<string, Uint8Array>;
}

/**
 * The JSON of an object. Fields that have the very value that stands in the source go out as they were written there; a name
 * that stands twice in an object deeper down goes out twice.
 */
export function jsonFrom(value: Fields, source: Source | undefined): JsonText {
  if (!source) return JSON.stringify(value);
  const pieces: (string | Uint8Array)[] = [];
  let text = '{';
  let separator = '';
  for (const name in value) {
    const field = value[name];
    if (field === undefined) continue;
    text += `${separator}${JSON.stringify(name)}:`;
    separator = ',';
    const written = field === source.value[name] ? source.written.get(name) : undefined;
    if (written) {
      pieces.push(text, written);
      text = '';
    } else text += JSON.stringify(field);
  }
  pieces.push(`${text}}`);
  return pieces;
}

export function wholeText(json: JsonText): string {
  if (typeof json === 'string') return json;
  return Buffer.concat(json.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))).toString();
}

/** Bytes of UTF-8. */
export function bytesOf(json: JsonText): number {
  if (typeof json === 'string') return Buffer.byteLength(json);
  let length = 0;
  for (const piece of json) length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
  return length;
}
