/** Tools and the choice among them. */
import type { ChatRequest, FunctionTool, JsonSchema, Tool, ToolChoice } from '../../core/chat.ts';
import { fields, text } from '../json.ts';
import { customAsFunction, customFromFunctions } from '../reshape/custom-tools.ts';
import type { Reshape } from '../wire.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';

type Declared = Readonly<Record<string, unknown>>;

export interface ToolFields {
  readonly tools?: readonly Declared[];
  readonly choice?: unknown;
  readonly reshape: readonly (() => Reshape)[];
  readonly ignored: readonly string[];
}

/** The request's tools, with the provider's own search among them where `web_search_options` ask for it. */
export function toolFields(request: ChatRequest, quirks: OpenAIResponsesQuirks): ToolFields {
  const search = webSearch(request, quirks);
  const { tools, choice } = offered(request, quirks);
  const asFunctions = quirks.customTools === false ? tools.filter(({ kind }) => kind === 'custom') : [];
  const declared = tools.map((tool) => declare(tool, quirks));
  const all = search ? [...declared, search] : declared;
  return {
    ...(all.length > 0 ? { tools: all } : {}),
    ...(tools.length > 0 ? { choice: writeChoice(choice, tools, { quirks, search }) } : {}),
    reshape: asFunctions.length > 0 ? [() => customFromFunctions(new Set(asFunctions.map(({ name }) => name)))] : [],
    ignored: [
      ...tools.flatMap((tool) => (tool.kind === 'function' && tool.cache ? [`${tool.at.replace(/\.function$/, '')}.cache_control`] : [])),
      ...(quirks.webSearch === 'none' && request.extras.includes('web_search_options') ? ['web_search_options'] : []),
    ],
  };
}

/** Where a host cannot choose among its tools, it gets only those that may be called. */
function offered({ tools, toolChoice }: ChatRequest, quirks: OpenAIResponsesQuirks): { tools: readonly Tool[]; choice: ToolChoice } {
  const chooses = quirks.refuses?.includes('tool_choice') !== true;
  // it cannot be told to call none: what it does not know it cannot call
  if (!chooses && toolChoice.mode === 'none') return { tools: [], choice: toolChoice };
  if (!chooses && toolChoice.mode === 'named') return { tools: tools.filter(({ name }) => name === toolChoice.name), choice: toolChoice };
  if (quirks.allowedTools !== false || !('names' in toolChoice) || !toolChoice.names) return { tools, choice: toolChoice };
  const allowed = new Set(toolChoice.names);
  return { tools: tools.filter(({ name }) => allowed.has(name)), choice: { mode: toolChoice.mode } };
}

function declare(tool: Tool, quirks: OpenAIResponsesQuirks): Declared {
  if (tool.kind === 'function') return declareFunction(tool);
  if (quirks.customTools === false) return declareFunction(customAsFunction(tool));
  const { name, description, grammar } = tool;
  return {
    type: 'custom',
    name,
    ...(description === undefined ? {} : { description }),
    ...(grammar ? { format: { type: 'grammar', syntax: grammar.syntax, definition: grammar.definition } } : {}),
  };
}

/** `strict` is always told: here a function without it is a strict one, in chat completions it is not. */
function declareFunction({ name, description, parameters, strict }: FunctionTool): Declared {
  return { type: 'function', name, ...(description === undefined ? {} : { description }), parameters: schemaOf(parameters), strict };
}

/** The field has to be there; a function without it has no arguments. */
function schemaOf(parameters: JsonSchema | undefined): JsonSchema {
  if (typeof parameters === 'object') return parameters;
  return parameters === true ? { type: 'object' } : { type: 'object', properties: {}, required: [], additionalProperties: false };
}

function webSearch({ extras, raw }: ChatRequest, { webSearch: type = 'web_search' }: OpenAIResponsesQuirks): Declared | undefined {
  if (type === 'none' || !extras.includes('web_search_options')) return undefined;
  const { search_context_size: size, user_location: location } = fields(raw.web_search_options);
  const place = Object.entries(fields(fields(location).approximate)).filter(([, value]) => text(value) !== undefined);
  return {
    type,
    ...(text(size) === undefined ? {} : { search_context_size: size }),
    ...(place.length > 0 ? { user_location: { type: 'approximate', ...Object.fromEntries(place) } } : {}),
  };
}

interface Around {
  readonly quirks: OpenAIResponsesQuirks;
  readonly search: Declared | undefined;
}

function writeChoice(choice: ToolChoice, tools: readonly Tool[], { quirks, search }: Around): unknown {
  const named = (name: string): Declared => {
    const custom = quirks.customTools !== false && tools.some((tool) => tool.name === name && tool.kind === 'custom');
    return { type: custom ? 'custom' : 'function', name };
  };
  switch (choice.mode) {
    case 'none':
      // the client's tools are not to be called; the search, which it asked for, is no tool of the client's
      return search && quirks.allowedTools !== false ? { type: 'allowed_tools', mode: 'auto', tools: [{ type: search.type }] } : 'none';
    case 'named':
      return named(choice.name);
    case 'auto':
    case 'required': {
      if (!choice.names) return choice.mode;
      const also = search ? [{ type: search.type }] : [];
      return { type: 'allowed_tools', mode: choice.mode, tools: [...choice.names.map(named), ...also] };
    }
  }
}
