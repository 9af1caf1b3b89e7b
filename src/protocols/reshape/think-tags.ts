/** Reasoning that a model writes into its text, between tags, because nobody takes it out for us. */
import type { Annotation } from '../../core/chat.ts';
import type { Reshape } from '../wire.ts';
import { perChoice } from './per-choice.ts';
import type { BlockEvent, ChoiceStep, Emit } from './per-choice.ts';
import { possibleBeginning, splitDelta } from './text-queue.ts';
import type { Delta } from './text-queue.ts';

/** All that can come before a tag is whole. */
const MAY_BE_TAG = /^\s*(?:<(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?)?$/;
const TAG = /^\s*<(think|thinking)>/;
const NEWLINES = /^[\r\n]*/;

/**
 * Text of a choice that begins with `<think>` or `<thinking>` (white space before it or not) becomes a block of
 * reasoning up to the closing tag of the same name, or to the end where that never comes. The tags, the newlines after
 * the closing one, and reasoning of nothing but white space are left out; tags anywhere else are text. Citations move
 * with the text they point at, log probabilities of tags and reasoning go. Held back is only what may be a tag.
 */
export function thinkTags(): Reshape {
  return perChoice(thinking);
}

function thinking(emit: Emit): ChoiceStep {
  /** Blocks of text that came in; the event is there while the block has not gone out. */
  const texts = new Map<number, BlockEvent | undefined>();
  /** Which index a block goes out with: reasoning makes one more of them. */
  const indexes = new Map<number, number>();
  let blocks = 0;
  /** Before it is known; no tag at all; in the reasoning; in the newlines after it; in the answer after that. */
  let mode: 'start' | 'plain' | 'inside' | 'gap' | 'answer' = 'start';
  const held: BlockEvent[] = [];
  let waiting = '';
  let closing = '';
  const thoughts = createThoughts(emit, () => blocks++);
  /** UTF-16 units of text that the provider counts and the client does not get. */
  let removed = 0;
  const citations: Annotation[] = [];

  return (event) => {
    if (event.type === 'annotations') return cite(event.choice, event.annotations);
    if (event.type === 'finish') {
      if (mode === 'start') letGo(event.choice);
      if (mode === 'inside') thoughts.grow(event.choice, waiting);
      thoughts.end(event.choice);
      settleCitations(event.choice);
      return emit(event);
    }
    const isText = event.type === 'block_start' ? event.of.type === 'text' : texts.has(event.block);
    if (!isText) {
      // a tag does not go on behind a call
      if (event.type === 'block_start' && mode === 'start' && waiting !== '') letGo(event.choice);
      return send(event);
    }
    if (event.type === 'block_start') texts.set(event.block, event);
    if (mode === 'start') return decide(event);
    if (mode === 'plain') return sendOpened(event);
    return follow(event);
  };

  function send(event: BlockEvent): void {
    if (event.type === 'block_start') indexes.set(event.block, blocks++);
    emit({ ...event, block: indexes.get(event.block) ?? event.block });
  }

  /** A block of text goes out when there is something in it. */
  function sendOpened(event: BlockEvent): void {
    const start = texts.get(event.block);
    texts.set(event.block, undefined);
    if (start) send(start);
    if (event !== start) send(event);
  }

  function decide(event: BlockEvent): void {
    held.push(event);
    if (event.type !== 'block_delta') return;
    waiting += event.text;
    if (MAY_BE_TAG.test(waiting)) return;
    const tag = TAG.exec(waiting);
    if (!tag) return letGo(event.choice);
    mode = 'inside';
    closing = `</${tag[1] ?? ''}>`;
    waiting = '';
    let skip = tag[0].length;
    for (const one of held.splice(0)) {
      const cut = one.type === 'block_delta' ? Math.min(skip, one.text.length) : 0;
      skip -= cut;
      removed += cut;
      follow(one.type === 'block_delta' && cut > 0 ? splitDelta(one, cut)[1] : one);
    }
  }

  /** No tag: everything as it came. */
  function letGo(choice: number): void {
    mode = 'plain';
    waiting = '';
    for (const one of held.splice(0)) sendOpened(one);
    settleCitations(choice);
  }

  /** What comes in a block of text after the opening tag. */
  function follow(event: BlockEvent): void {
    if (event.type === 'block_start') return;
    if (event.type === 'block_end' && texts.get(event.block)) {
      texts.set(event.block, undefined);
      return;
    }
    if (event.type !== 'block_delta') return sendOpened(event);
    let rest: Delta = event;
    if (mode === 'inside') rest = splitDelta(event, think(event))[1];
    if (mode === 'gap') rest = splitDelta(rest, NEWLINES.exec(rest.text)?.[0].length ?? 0)[1];
    removed += event.text.length - rest.text.length;
    if (rest.text === '' && mode !== 'answer') return;
    if (mode === 'gap') {
      mode = 'answer';
      sendOpened(rest);
      return settleCitations(event.choice);
    }
    return sendOpened(rest);
  }

  /** How much of the delta belongs to the reasoning and its closing tag. */
  function think({ choice, text }: Delta): number {
    waiting += text;
    const end = waiting.indexOf(closing);
    if (end < 0) {
      const kept = possibleBeginning(waiting, [closing]);
      thoughts.grow(choice, waiting.slice(0, waiting.length - kept));
      waiting = waiting.slice(waiting.length - kept);
      return text.length;
    }
    thoughts.grow(choice, waiting.slice(0, end));
    thoughts.end(choice);
    mode = 'gap';
    const left = waiting.length - end - closing.length;
    waiting = '';
    return text.length - left;
  }

  function cite(choice: number, annotations: readonly Annotation[]): void {
    citations.push(...annotations);
    if (mode === 'plain' || mode === 'answer') settleCitations(choice);
  }

  function settleCitations(choice: number): void {
    const annotations = citations
      .splice(0)
      .filter(({ start }) => start >= removed)
      .map((one) => (removed === 0 ? one : { ...one, start: one.start - removed, end: one.end - removed }));
    if (annotations.length > 0) emit({ type: 'annotations', choice, annotations });
  }
}

/** The block of reasoning: opened with its first character that is not white space. */
function createThoughts(emit: Emit, nextIndex: () => number) {
  let block: number | undefined;
  let blank = '';
  return {
    grow(choice: number, more: string): void {
      let text = more;
      if (block === undefined) {
        blank += more;
        if (blank.trim() === '') return;
        text = blank;
        block = nextIndex();
        emit({ type: 'block_start', choice, block, of: { type: 'reasoning' } });
      }
      if (text !== '') emit({ type: 'block_delta', choice, block, text });
    },
    end(choice: number): void {
      if (block !== undefined) emit({ type: 'block_end', choice, block });
      block = undefined;
      blank = '';
    },
  };
}
