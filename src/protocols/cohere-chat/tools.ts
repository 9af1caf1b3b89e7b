/** Tools, the choice among them, and the format of the answer, which excludes tools here. */
import type { ChatRequest, FunctionTool, JsonSchema, Tool } from '../../core/chat.ts';
import { answerFromTool } from '../reshape/answer-tool.ts';
import { customAsFunction, customFromFunctions } from '../reshape/custom-tools.ts';
import type { Reshape } from '../wire.ts';
import type { CohereChatQuirks } from './quirks.ts';
import { canBeStrict, structuredSchema } from './schema.ts';

export interface ToolFields {
  /** `tools`, `tool_choice`, `strict_tools`, `response_format`, as far as they are needed. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly reshape: readonly (() => Reshape)[];
  readonly ignored: readonly string[];
}

/**
 * The provider knows neither a named tool nor a list of allowed ones (only those are sent), and takes no
 * `response_format` beside tools: then the answer is a tool as well, and the model must call one or the other.
 */
export function toolFields(request: ChatRequest, quirks: CohereChatQuirks): ToolFields {
  const offered = offeredTools(request);
  const { mode } = request.toolChoice;
  // whoever must call a tool does not answer
  const format = mode === 'required' || mode === 'named' ? undefined : answerFormat(request, quirks);
  const answers = format !== undefined;
  // instead of being forbidden, tools can be left out
  const asked = answers && mode === 'none' ? [] : offered;
  const native = asked.length === 0 ? format?.native : undefined;
  if (native) return { body: { response_format: native }, reshape: [], ignored: [] };

  const answer = format && answerTool(format.schema, asked, format.description);
  const functions = asked.map((tool) => (tool.kind === 'custom' ? customAsFunction(tool) : tool));
  const all = answer ? [...functions, answer] : functions;
  if (all.length === 0) return { body: {}, reshape: [], ignored: [] };
  const customs = new Set(asked.flatMap((tool) => (tool.kind === 'custom' ? [tool.name] : [])));
  const strict = strictness(all, quirks);
  const choice = answer ? 'REQUIRED' : { auto: undefined, none: 'NONE', required: 'REQUIRED', named: 'REQUIRED' }[mode];
  const knowsChoice = quirks.toolChoice !== false;
  return {
    body: {
      tools: all.map((tool) => declared(tool, strict.on)),
      ...(strict.on ? { strict_tools: true } : {}),
      ...(choice !== undefined && knowsChoice ? { tool_choice: choice } : {}),
    },
    reshape: [...(answer ? [() => answerFromTool(answer.name)] : []), ...(customs.size > 0 ? [() => customFromFunctions(customs)] : [])],
    ignored: [
      ...strict.ignored,
      ...asked.flatMap((tool) => (tool.kind === 'custom' && tool.grammar ? [`${tool.at}.format`] : [])),
      ...(choice !== undefined && !answer && !knowsChoice ? ['tool_choice'] : []),
      ...(asked.length > 0 && mode !== 'none' && !request.parallelToolCalls ? ['parallel_tool_calls'] : []),
    ],
  };
}

function offeredTools({ tools, toolChoice, messages }: ChatRequest): readonly Tool[] {
  if (toolChoice.mode === 'named') return tools.filter(({ name }) => name === toolChoice.name);
  if ('names' in toolChoice && toolChoice.names) {
    const allowed = new Set(toolChoice.names);
    return tools.filter(({ name }) => allowed.has(name));
  }
  // none of them may be called; earlier calls still need their declaration
  const called = messages.some(({ role }) => role === 'tool');
  return toolChoice.mode === 'none' && !called ? [] : tools;
}

interface AnswerFormat {
  /** Absent where the provider's own structured output has no words for the schema. */
  readonly native?: Readonly<Record<string, unknown>>;
  readonly schema: JsonSchema;
  readonly description?: string;
}

const ANY_OBJECT: JsonSchema = { type: 'object' };

function answerFormat({ responseFormat: format }: ChatRequest, quirks: CohereChatQuirks): AnswerFormat | undefined {
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return { native: { type: 'json_object' }, schema: ANY_OBJECT };
  const { schema, description } = format;
  const told = description === undefined ? {} : { description };
  const structured = structuredSchema(schema);
  // without a way to force the tool, JSON of any shape is the most that can be had
  const fallback = quirks.toolChoice === false ? { type: 'json_object' } : undefined;
  const native = structured ? { type: 'json_object', json_schema: { ...told, ...structured } } : fallback;
  return { ...(native ? { native } : {}), schema, ...told };
}

function answerTool(schema: JsonSchema, beside: readonly Tool[], description?: string): FunctionTool {
  let name = 'answer';
  while (beside.some((tool) => tool.name === name)) name = `${name}_`;
  const told = description === undefined ? '' : ` ${description}`;
  return {
    kind: 'function',
    name,
    description: `Gives the final answer to the user, in the form of the arguments.${told}`,
    parameters: schema,
    strict: canBeStrict(schema) && structuredSchema(schema) !== undefined,
    at: 'response_format',
  };
}

/** One switch for all tools: on where one is strict, unless another cannot be. */
function strictness(tools: readonly FunctionTool[], quirks: CohereChatQuirks): { on: boolean; ignored: string[] } {
  const wanted = tools.filter(({ strict }) => strict);
  if (wanted.length === 0) return { on: false, ignored: [] };
  if (quirks.strictTools !== false && tools.every(({ parameters }) => canBeStrict(parameters))) return { on: true, ignored: [] };
  return { on: false, ignored: wanted.flatMap(({ at }) => (at === 'response_format' ? [] : [`${at}.strict`])) };
}

/** Only schemas that are enforced have to be in the dialect for it; the others are but read. */
function declared({ name, description, parameters }: FunctionTool, enforced: boolean): Readonly<Record<string, unknown>> {
  const schema = typeof parameters === 'object' ? parameters : { type: 'object', properties: {} };
  const written = enforced ? (structuredSchema(schema) ?? schema) : schema;
  return { type: 'function', function: { name, ...(description === undefined ? {} : { description }), parameters: written } };
}
