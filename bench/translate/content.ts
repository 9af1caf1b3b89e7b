/** What the answers say: English as models write it, in pieces of about a token, with the odd character beyond ASCII. */

export interface Call {
  readonly name: string;
  /** JSON of the arguments, in pieces. */
  readonly pieces: readonly string[];
}

/** An answer in the pieces in which it is streamed. */
export interface Said {
  readonly reasoning: readonly string[];
  readonly text: readonly string[];
  readonly calls: readonly Call[];
}

const PARAGRAPH =
  'The harbour was busy in the morning: boats came in with the tide, "fresh fish" was called out, and by noon the square smelled of salt.\n' +
  'A café opened at seven — earlier than most — and its owner knew everybody by name, or said so; **three** tables stood outside.\n';

const TOKENS = PARAGRAPH.match(/\s*[^\s]+/g) ?? [];

/** So many pieces of so many words each. */
function pieces(count: number, words: number): readonly string[] {
  const piece = (at: number): string => Array.from({ length: words }, (_, word) => TOKENS[(at * words + word) % TOKENS.length]).join('');
  return Array.from({ length: count }, (_, at) => piece(at));
}

function callOf(name: string, entries: number): Call {
  const stops = Array.from({ length: entries }, (_, at) => ({ city: `City ${at}`, days: at, notes: 'by the "old" road' }));
  return { name, pieces: JSON.stringify({ route: stops, round: true }).match(/.{1,6}/g) ?? [] };
}

export type Kind = 'text' | 'mixed';

/** `words` is how much one piece holds: one for those that stream by the token. */
export function answerOf(kind: Kind, words: number): Said {
  if (kind === 'text') return { reasoning: [], text: pieces(300, words), calls: [] };
  return { reasoning: pieces(100, words), text: pieces(100, words), calls: [callOf('plan_route', 6), callOf('book_rooms', 6)] };
}
