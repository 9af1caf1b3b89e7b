/** Reads output in which tool calls, reasoning and text follow each other, told apart by marks. Takes any split of it. */
import { type ArgsReader, inputUnwrapper, jsonReader } from './json-value.ts';
import { type CallNotation, firstCharacters, isBlank, type Match, matchPieces, type Piece } from './notation.ts';
import type { OutputParser, OutputPart } from './plan.ts';
import { rawParameters, xmlReader } from './xml-args.ts';
import type { OfferedTool } from './tools.ts';

export interface CallParserOptions {
  /** The notation of calls; absent where none may be made: everything is text then. */
  readonly calls?: CallNotation | undefined;
  /** The tools that may be called; calls of others are text. */
  readonly tools: readonly OfferedTool[];
  readonly thinking?: { readonly open: string; readonly close: string; readonly opened: boolean } | undefined;
  /** The output begins with a call of this tool, and cannot begin otherwise: it is told before it is written out. */
  readonly certain?: OfferedTool | undefined;
}

/** A first piece shorter than this, such as a brace, may as well be text. */
const SHORTEST_MARK = 6;

type Mode = 'start' | 'reasoning' | 'text' | 'args' | 'close' | 'after';

/** A parser for one choice's output. */
export function callParser({ calls, tools, thinking, certain }: CallParserOptions): OutputParser {
  const names = tools.map((tool) => tool.name);
  const header: readonly Piece[] = calls && tools.length > 0 ? [...calls.sectionOpen, ...calls.callOpen] : [];
  const firsts = firstCharacters(header, names);

  let mode: Mode = thinking?.opened ? 'reasoning' : thinking ? 'start' : 'text';
  let buffer = '';
  /** Where the buffer begins in the whole output. */
  let base = 0;
  /** Blanks that come now stand next to a mark and mean nothing. */
  let atMark = mode === 'reasoning';
  let reader: ArgsReader | undefined;
  let unwrap: ((json: string) => string) | undefined;
  let sawArguments = false;
  let parts: OutputPart[] = [];
  /** The first call was told before it came. */
  let isAhead = false;
  let isFirst = true;

  const drop = (length: number): void => {
    buffer = buffer.slice(length);
    base += length;
  };
  const dropBlanks = (): void => {
    if (atMark) drop(leadingBlanks(buffer));
    if (buffer !== '') atMark = false;
  };
  const say = (type: 'text' | 'reasoning', length: number): void => {
    if (length > 0) parts.push({ type, text: buffer.slice(0, length), at: base });
    drop(length);
  };
  const argument = (json: string): void => {
    if (json === '') return;
    sawArguments = true;
    const text = unwrap ? unwrap(json) : json;
    if (text !== '') parts.push({ type: 'tool_delta', text });
  };
  const begin = (found: Match & { state: 'yes' }): void => {
    const tool = tools.find((one) => one.name === found.name);
    if (!tool || !calls) throw new Error('a call of a tool that was not offered');
    if (!isAhead) parts.push({ type: 'tool_start', kind: tool.kind, name: tool.name, ...(found.id === undefined ? {} : { id: found.id }) });
    isAhead = false;
    reader = calls.args === 'xml' ? xmlReader(rawParameters(tool.schema)) : jsonReader();
    unwrap = tool.kind === 'custom' ? inputUnwrapper() : undefined;
    sawArguments = false;
    mode = 'args';
  };
  const finish = (complete: boolean): void => {
    if (complete && !sawArguments && !unwrap) parts.push({ type: 'tool_delta', text: '{}' });
    parts.push({ type: 'tool_end' });
  };

  /** The first place where a call begins or may yet turn out to begin. */
  const findCall = (): { at: number; found: Match } | undefined => {
    for (let at = 0; at < buffer.length; at++) {
      if (!firsts.has(buffer.charAt(at))) continue;
      const found = matchPieces(header, buffer, { start: at, names });
      if (found.state !== 'no') return { at, found };
    }
    return undefined;
  };

  /** Each step says whether there is more to do with what is in the buffer. */
  const steps: Readonly<Record<Mode, () => boolean>> = {
    start() {
      const open = thinking?.open ?? '';
      const blanks = leadingBlanks(buffer);
      if (buffer.startsWith(open, blanks)) {
        drop(blanks + open.length);
        atMark = true;
        mode = 'reasoning';
        return true;
      }
      if (open.startsWith(buffer.slice(blanks))) return false;
      mode = 'text';
      return true;
    },
    reasoning() {
      dropBlanks();
      const close = thinking?.close ?? '';
      const end = buffer.indexOf(close);
      const call = findCall();
      if (end >= 0 && (!call || end < call.at)) {
        say('reasoning', trimmedLength(buffer, end));
        drop(buffer.indexOf(close) + close.length);
        atMark = true;
        mode = 'text';
        return true;
      }
      return sayUpTo('reasoning', call, partialAt(buffer, close));
    },
    text() {
      dropBlanks();
      return sayUpTo('text', findCall(), buffer.length);
    },
    args() {
      if (!reader || buffer === '') return false;
      const { out, rest } = reader.read(buffer);
      argument(out);
      drop(buffer.length - (rest?.length ?? 0));
      if (rest === undefined) return false;
      buffer = rest;
      mode = 'close';
      return true;
    },
    close() {
      const found = matchPieces(calls?.callClose ?? [], buffer, { start: 0, names });
      if (found.state === 'more') return false;
      if (found.state === 'yes') drop(found.end);
      finish(true);
      atMark = true;
      mode = found.state === 'yes' ? 'after' : 'text';
      return true;
    },
    after() {
      if (!calls || buffer === '') return false;
      const next = matchPieces([...calls.between, ...calls.callOpen], buffer, { start: 0, names });
      if (next.state === 'yes') {
        drop(next.end);
        begin(next);
        return true;
      }
      const over = matchPieces(calls.sectionClose, buffer, { start: 0, names });
      if (next.state === 'more' || over.state === 'more') return false;
      if (over.state === 'yes') drop(over.end);
      mode = 'text';
      return true;
    },
  };

  /** Says what is sure: up to a call, or to what may become one, or to `limit`, without blanks that may stand before a mark. */
  const sayUpTo = (type: 'text' | 'reasoning', call: { at: number; found: Match } | undefined, limit: number): boolean => {
    const marks = firsts.size > 0 || type === 'reasoning';
    const until = Math.min(call?.at ?? buffer.length, limit);
    const from = base;
    say(type, marks ? trimmedLength(buffer, until) : until);
    if (call?.found.state !== 'yes' || limit < call.at) return false;
    const { found } = call;
    drop(found.end - (base - from));
    begin(found);
    return true;
  };

  /** Where in the buffer a call begins that was cut off before its name: its mark is nobody's text. */
  const unfinishedCallAt = (): number => {
    const call = findCall();
    const [mark] = header;
    const marked = call && typeof mark === 'string' && mark.length >= SHORTEST_MARK && buffer.startsWith(mark, call.at);
    return marked ? trimmedLength(buffer, call.at) : buffer.length;
  };

  const run = (): void => {
    while (steps[mode]()) {
      // each step has done its part
    }
  };
  const taken = (): OutputPart[] => {
    const result = joined(parts);
    parts = [];
    return result;
  };

  return {
    push(text) {
      if (certain && isFirst && text !== '') {
        parts.push({ type: 'tool_start', kind: certain.kind, name: certain.name });
        isAhead = true;
      }
      isFirst &&= text === '';
      buffer += text;
      run();
      return taken();
    },
    end(complete) {
      run();
      if (mode === 'args') argument(reader?.end() ?? '');
      if (mode === 'args' || mode === 'close') finish(complete);
      // it was cut off before its arguments
      else if (isAhead) parts.push({ type: 'tool_end' });
      else if (mode !== 'after') {
        dropBlanks();
        say(mode === 'reasoning' ? 'reasoning' : 'text', complete ? buffer.length : unfinishedCallAt());
      }
      buffer = '';
      mode = 'text';
      return taken();
    },
  };
}

/** Neighbouring deltas of one call as one; text parts are never neighbours. */
function joined(parts: readonly OutputPart[]): OutputPart[] {
  const result: OutputPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (part.type === 'tool_delta' && last?.type === 'tool_delta')
      result[result.length - 1] = { type: 'tool_delta', text: last.text + part.text };
    else result.push(part);
  }
  return result;
}

/** The number of blanks that a text begins with. */
export function leadingBlanks(text: string): number {
  let count = 0;
  while (count < text.length && isBlank(text.charCodeAt(count))) count++;
  return count;
}

/** `until`, less the blanks before it. */
export function trimmedLength(text: string, until: number): number {
  let length = until;
  while (length > 0 && isBlank(text.charCodeAt(length - 1))) length--;
  return length;
}

/** Where the text's longest tail begins that could be the beginning of `mark`; the text's end if there is none. */
export function partialAt(text: string, mark: string): number {
  for (let at = Math.max(0, text.length - mark.length + 1); at < text.length; at++) {
    if (mark.startsWith(text.slice(at))) return at;
  }
  return text.length;
}

/** Keeps half a surrogate pair back until the other half comes, so that no part ever ends inside a character. */
export function wholeCharacters(inner: OutputParser): OutputParser {
  let held = '';
  return {
    push(text) {
      const all = held + text;
      const half = /[\uD800-\uDBFF]$/.test(all);
      held = half ? all.slice(-1) : '';
      const whole = half ? all.slice(0, -1) : all;
      return whole === '' ? [] : inner.push(whole);
    },
    end(complete) {
      const rest = held;
      held = '';
      return [...(rest === '' ? [] : inner.push(rest)), ...inner.end(complete)];
    },
  };
}
