/** A request's tools and its choice among them, both spellings folded into one. */
import type { CustomTool, FunctionTool, Tool, ToolChoice } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { shown } from './explain.ts';
import type { RequestBody } from './schema.ts';

type InputTool = NonNullable<RequestBody['tools']>[number];
type InputFunction = NonNullable<RequestBody['functions']>[number];
type InputChoice = NonNullable<RequestBody['tool_choice']>;
type NamedInput = Extract<InputChoice, { readonly type: 'function' | 'custom' }>;

export interface FoldedTools {
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  readonly legacyFunctions: boolean;
}

const invalid = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_value', `Invalid '${param}': ${message}`, { param });

const NO_TOOLS: readonly never[] = Object.freeze([]);
const AUTO: ToolChoice = Object.freeze({ mode: 'auto' });
const NONE: ToolChoice = Object.freeze({ mode: 'none' });

/** Throws `invalid_value` where the choice does not fit the tools, a name stands twice, or both spellings are used. */
export function foldTools(body: RequestBody): FoldedTools {
  const functions = body.functions ?? NO_TOOLS;
  const tools = body.tools ?? NO_TOOLS;
  if (functions.length > 0 && tools.length > 0) {
    throw invalid('functions', "'functions' is the older form of 'tools'. Expected one of the two, but got both.");
  }
  if (functions.length > 0) {
    const folded = functions.map((item, index) => functionTool(item, `functions[${index}]`));
    if (folded.length > 1) checkNames(folded, 'functions');
    if (isGiven(body.tool_choice)) throw invalid('tool_choice', "it needs 'tools'. The choice among 'functions' is 'function_call'.");
    return { tools: folded, toolChoice: legacyChoice(body, folded), legacyFunctions: true };
  }
  const folded = tools.length === 0 ? NO_TOOLS : tools.map((item, index) => tool(item, `tools[${index}]`));
  if (folded.length > 1) checkNames(folded, 'tools');
  if (isGiven(body.function_call) && (tools.length > 0 || !isIdle(body.function_call))) {
    throw invalid('function_call', "it needs 'functions'. The choice among 'tools' is 'tool_choice'.");
  }
  return { tools: folded, toolChoice: choice(body.tool_choice ?? undefined, folded), legacyFunctions: false };
}

const isGiven = (value: unknown): boolean => value !== null && value !== undefined;

/** Without tools these two say nothing, and some clients always send them. */
const isIdle = (value: unknown): boolean => value === 'auto' || value === 'none';

/** A tool that is still being filled in. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };

function functionTool(item: InputFunction, at: string, strict = false): Writable<FunctionTool> {
  const made: Writable<FunctionTool> = { kind: 'function', name: item.name, strict, at };
  if (isText(item.description)) made.description = item.description;
  if (item.parameters) made.parameters = item.parameters;
  return made;
}

const isText = (value: string | null | undefined): value is string => typeof value === 'string';

function tool(item: InputTool, at: string): Tool {
  if (item.type === 'function') {
    const made = functionTool(item.function, `${at}.function`, item.function.strict === true);
    const cache = item.cache_control;
    if (cache) made.cache = cache.ttl ? { ttl: cache.ttl } : {};
    return made;
  }
  const { name, description, format } = item.custom;
  const made: Writable<CustomTool> = { kind: 'custom', name, at: `${at}.custom` };
  if (isText(description)) made.description = description;
  if (format?.type === 'grammar') made.grammar = { syntax: format.grammar.syntax, definition: format.grammar.definition };
  return made;
}

function checkNames(tools: readonly Tool[], list: string): void {
  const seen = new Set<string>();
  for (const { name, at } of tools) {
    if (seen.has(name)) throw invalid(`${at}.name`, `two of the '${list}' are called ${shown(name)}. Expected every name once.`);
    seen.add(name);
  }
}

function legacyChoice(body: RequestBody, tools: readonly Tool[]): ToolChoice {
  const wanted = body.function_call ?? 'auto';
  if (typeof wanted === 'string') return { mode: wanted };
  if (!tools.some(({ name }) => name === wanted.name)) throw unknownTool('function_call.name', wanted.name, 'functions');
  return { mode: 'named', name: wanted.name };
}

function unknownTool(param: string, name: string, list: string): GatewayError {
  return invalid(param, `none of the '${list}' is called ${shown(name)}.`);
}

function choice(wanted: InputChoice | undefined, tools: readonly Tool[]): ToolChoice {
  if (tools.length === 0) {
    if (wanted === undefined || isIdle(wanted)) return NONE;
    throw invalid('tool_choice', "it needs 'tools', but the request has none.");
  }
  if (wanted === undefined || wanted === 'auto') return AUTO;
  if (typeof wanted === 'string') return { mode: wanted };
  if (wanted.type !== 'allowed_tools') return { mode: 'named', name: nameOf(wanted, tools, 'tool_choice') };
  const { mode, tools: allowed } = wanted.allowed_tools;
  const names = allowed.map((item, index) => nameOf(item, tools, `tool_choice.allowed_tools.tools[${index}]`));
  return { mode, names: [...new Set(names)] };
}

function nameOf(wanted: NamedInput, tools: readonly Tool[], path: string): string {
  const name = wanted.type === 'function' ? wanted.function.name : wanted.custom.name;
  if (!tools.some((item) => item.kind === wanted.type && item.name === name)) {
    throw unknownTool(`${path}.${wanted.type}.name`, name, 'tools');
  }
  return name;
}
