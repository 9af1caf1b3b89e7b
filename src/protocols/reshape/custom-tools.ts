/** Custom tools (free text in) where a provider knows functions only (JSON in): a function with one text argument. */
import type { CustomTool, FunctionTool } from '../../core/chat.ts';
import type { Reshape } from '../wire.ts';
import { perChoice } from './per-choice.ts';
import type { ChoiceStep, Emit } from './per-choice.ts';

/** The function that stands in for a custom tool. A grammar is told to the model in words; nothing enforces it. */
export function customAsFunction(tool: CustomTool): FunctionTool {
  const { name, at, grammar } = tool;
  const rule = grammar
    ? `The text must match this ${grammar.syntax === 'regex' ? 'regular expression' : 'Lark grammar'}:\n${grammar.definition}`
    : undefined;
  const description = [tool.description, rule].filter((part) => part !== undefined && part !== '').join('\n\n');
  return {
    kind: 'function',
    name,
    ...(description === '' ? {} : { description }),
    parameters: {
      type: 'object',
      properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
      required: ['input'],
      additionalProperties: false,
    },
    strict: false,
    at,
  };
}

/** Free text as the arguments of the function that stands in for its tool. */
export function customInput(input: string): string {
  return JSON.stringify({ input });
}

/**
 * Calls of the functions named become calls of custom tools: of arguments `{"input": "…"}` the text comes out as it
 * streams. Arguments that begin otherwise stay as they are; what follows the text inside of the object is left out.
 */
export function customFromFunctions(names: ReadonlySet<string>): Reshape {
  return perChoice((emit) => fromFunctions(emit, names));
}

function fromFunctions(emit: Emit, names: ReadonlySet<string>): ChoiceStep {
  const readers = new Map<number, InputReader>();
  return (event) => {
    if (event.type === 'block_start' && event.of.type === 'tool_call' && names.has(event.of.name)) {
      readers.set(event.block, createInputReader());
      return emit({ ...event, of: { ...event.of, kind: 'custom' } });
    }
    const reader = event.type === 'block_delta' || event.type === 'block_end' ? readers.get(event.block) : undefined;
    if (!reader || (event.type !== 'block_delta' && event.type !== 'block_end')) return emit(event);
    const { choice, block } = event;
    const text = event.type === 'block_delta' ? reader.push(event.text) : reader.end();
    if (text !== '') emit({ type: 'block_delta', choice, block, text });
    if (event.type === 'block_end') emit(event);
  };
}

interface InputReader {
  push(json: string): string;
  /** What was still waiting: arguments that ended before they took a shape. */
  end(): string;
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** What comes before the text, but for white space between the parts. */
const OPENING = ['{', '"input"', ':', '"'];

function createInputReader(): InputReader {
  let mode: 'opening' | 'text' | 'after' | 'other' = 'opening';
  let seen = '';
  let part = 0;
  let matched = 0;
  /** An escape that is not whole yet, its backslash included. */
  let escape = '';
  /** A high surrogate, written as an escape, that waits for its other half. */
  let half = '';

  return {
    push(json) {
      let at = 0;
      while (mode === 'opening' && at < json.length) open(json.charAt(at++));
      if (mode === 'other') {
        const whole = seen + json.slice(at);
        seen = '';
        return whole;
      }
      let out = '';
      while (mode === 'text' && at < json.length) out += read(json.charAt(at++));
      return out.isWellFormed() ? out : out.toWellFormed();
    },
    end() {
      if (mode === 'opening') return seen;
      if (mode !== 'text') return '';
      const left = lone();
      mode = 'after';
      return left;
    },
  };

  function open(char: string): void {
    seen += char;
    if (matched === 0 && ' \t\n\r'.includes(char)) return;
    const wanted = OPENING[part] ?? '';
    if (char !== wanted[matched]) {
      mode = 'other';
      return;
    }
    matched++;
    if (matched < wanted.length) return;
    matched = 0;
    part++;
    if (part < OPENING.length) return;
    mode = 'text';
    seen = '';
  }

  function read(char: string): string {
    if (escape !== '') return readEscape(char);
    if (char === '\\') {
      escape = char;
      return '';
    }
    if (char === '"') {
      mode = 'after';
      return lone();
    }
    return lone() + char;
  }

  function readEscape(char: string): string {
    escape += char;
    if (escape.length === 2 && char !== 'u') {
      const text = ESCAPES[char] ?? escape;
      escape = '';
      return lone() + text;
    }
    if (escape.length > 2 && !/[0-9a-f]/i.test(char)) {
      // no escape after all: as it is written
      const text = escape.slice(0, -1);
      escape = '';
      return lone() + text + read(char);
    }
    if (escape.length < 6) return '';
    const unit = String.fromCharCode(Number.parseInt(escape.slice(2), 16));
    escape = '';
    return joined(unit);
  }

  function joined(unit: string): string {
    const code = unit.charCodeAt(0);
    if (code >= 0xdc00 && code <= 0xdfff && half !== '') {
      const pair = half + unit;
      half = '';
      return pair;
    }
    const before = lone();
    if (code < 0xd800 || code > 0xdbff) return before + unit;
    half = unit;
    return before;
  }

  /** A half of a pair that never became whole. */
  function lone(): string {
    if (half === '') return '';
    half = '';
    return '\ufffd';
  }
}
