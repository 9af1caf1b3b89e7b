/** One block of an answer as it grows, and where in the answer's text it stands. */
import type { Annotation, TokenLogprob } from '../../core/chat.ts';
import type { ChatEvent, StreamBlock } from '../../core/event.ts';
import { fields, text } from '../json.ts';

/** The answer that the blocks belong to; protocols of this kind have one choice, 0. */
export interface Answer {
  emit(event: ChatEvent): void;
  /** Numbers of blocks in the order in which they open. */
  blocks: number;
  /** UTF-16 units of the choice's text so far, over all of its messages. */
  length: number;
  calls: number;
}

export interface Run {
  /** A piece of text; may end with half of a character. */
  add(piece: string, logprobs?: readonly TokenLogprob[]): void;
  /** The block's number; opens it where nothing has yet. */
  open(): number;
  readonly opened: boolean;
  /** A source of this text, its place told in code points of it. Those without a place stand where the text ends. */
  cite(annotation: unknown): void;
  /** Closes the block, if it was ever opened. */
  end(): void;
}

/** The block opens with its first text, so that an empty part makes no block. */
export function createRun(answer: Answer, of: StreamBlock, onOpen: (block: number) => void = () => undefined): Run {
  const isText = of.type === 'text';
  let block: number | undefined;
  let half = '';
  let waiting: readonly TokenLogprob[] | undefined;
  let base = 0;
  /** Code points so far, and the places of those among them that take two UTF-16 units. */
  let points = 0;
  const wide: number[] = [];
  const cited = new Set<string>();

  return {
    get opened() {
      return block !== undefined;
    },
    open,
    add(piece, logprobs) {
      let whole = half === '' ? piece : half + piece;
      half = '';
      const last = whole.charCodeAt(whole.length - 1);
      if (last >= 0xd800 && last <= 0xdbff) {
        half = whole.slice(-1);
        whole = whole.slice(0, -1);
      }
      send(whole, logprobs);
    },
    cite(annotation) {
      const { type, url, title, start_index: start, end_index: end } = fields(annotation);
      if (type !== 'url_citation' || text(url) === undefined) return;
      const known = `${String(start)} ${String(end)} ${String(url)}`;
      if (cited.has(known)) return;
      cited.add(known);
      const from = block === undefined ? answer.length : base;
      const placed = typeof start === 'number' && typeof end === 'number';
      const place = placed ? { start: from + units(start), end: from + units(end) } : { start: answer.length, end: answer.length };
      const found: Annotation = { type: 'url_citation', url: String(url), title: text(title) ?? String(url), ...place };
      answer.emit({ type: 'annotations', choice: 0, annotations: [found] });
    },
    end() {
      if (half !== '') {
        half = '';
        send('\ufffd', undefined);
      }
      if (block !== undefined) answer.emit({ type: 'block_end', choice: 0, block });
    },
  };

  function open(): number {
    if (block !== undefined) return block;
    block = answer.blocks++;
    base = answer.length;
    answer.emit({ type: 'block_start', choice: 0, block, of });
    onOpen(block);
    return block;
  }

  function send(piece: string, logprobs: readonly TokenLogprob[] | undefined): void {
    const told = waiting && logprobs ? [...waiting, ...logprobs] : (logprobs ?? waiting);
    waiting = undefined;
    if (piece === '') {
      waiting = told;
      return;
    }
    const at = open();
    if (isText) measure(piece);
    answer.emit({ type: 'block_delta', choice: 0, block: at, text: piece, ...(told ? { logprobs: told } : {}) });
  }

  function measure(piece: string): void {
    answer.length += piece.length;
    const before = wide.length;
    // most pieces have no such character
    if (/[\ud800-\udbff]/.test(piece)) {
      let point = points;
      for (const char of piece) {
        if (char.length > 1) wide.push(point);
        point++;
      }
    }
    points += piece.length - (wide.length - before);
  }

  /** A place in code points, as the API counts, in UTF-16 units. */
  function units(point: number): number {
    let wider = 0;
    while (wider < wide.length && (wide[wider] ?? 0) < point) wider++;
    return point + wider;
  }
}
