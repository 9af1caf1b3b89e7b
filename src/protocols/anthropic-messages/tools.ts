/** Tools, the choice among them, and answers of a given format. */
import type { ChatRequest, CustomTool, FunctionTool, JsonSchema } from '../../core/chat.ts';
import { fields, text } from '../json.ts';
import { answerFromTool } from '../reshape/answer-tool.ts';
import { customAsFunction, customFromFunctions } from '../reshape/custom-tools.ts';
import type { Reshape } from '../wire.ts';
import type { Draft } from './cache.ts';
import type { ModelRules } from './models.ts';
import type { Settled } from './quirks.ts';
import { closedSchema, inputSchema } from './schema.ts';

type Part = Readonly<Record<string, unknown>>;

export interface Toolbox {
  readonly drafts: readonly Draft[];
  /** The field `tool_choice`; undefined where the API's default says the same. */
  readonly choice: Part | undefined;
  /** The model is made to call. */
  readonly forced: boolean;
  /** The field `output_config.format`. */
  readonly format: Part | undefined;
  /** What the model is told in words, where it cannot be made to. */
  readonly instructions: readonly string[];
  readonly ignored: readonly string[];
  readonly reshape: readonly (() => Reshape)[];
}

export interface Workshop {
  readonly rules: ModelRules;
  readonly quirks: Settled;
  /** Generation can be held to a schema. */
  readonly structured: boolean;
  /** Tools that earlier turns called. */
  readonly called: ReadonlySet<string>;
}

/** Tools of one request whose arguments can be held to their schemas. */
const STRICT_TOOLS = 20;

export function toolsFor(request: ChatRequest, workshop: Workshop): Toolbox {
  const ignored: string[] = [];
  const allowed = offered(request, workshop);
  const drafts = declared(allowed, workshop, ignored);
  drafts.push(...searches(request, drafts, { quirks: workshop.quirks, ignored }));
  const custom = new Set(request.tools.flatMap(({ kind, name }) => (kind === 'custom' ? [name] : [])));
  const steps = custom.size > 0 ? [() => customFromFunctions(custom)] : [];
  // turns that called tools make no sense to the API without any
  const past = drafts.length === 0 ? [...workshop.called].map((name) => ({ part: { name, input_schema: inputSchema(undefined) } })) : [];
  const base = { drafts: [...drafts, ...past], ignored, instructions: [], format: undefined, reshape: steps };
  const answer = answerPlan(request, workshop, drafts);
  if (answer.by === 'format') return { ...base, ...choiceOf(request, workshop, base), format: answer.format };
  if (answer.by === 'words') {
    const chosen = choiceOf(request, workshop, base);
    return { ...base, ...chosen, instructions: [...chosen.instructions, answer.instruction] };
  }
  if (answer.by === 'nothing') return { ...base, ...choiceOf(request, workshop, base) };
  const { tool } = answer;
  const name = String(tool.name);
  const withAnswer = { ...base, drafts: [...drafts, { part: tool }], reshape: [...steps, () => answerFromTool(name)] };
  const others = request.toolChoice.mode === 'auto' && drafts.length > 0;
  if (workshop.rules.forcedTools) {
    const choice = others ? { type: 'any', disable_parallel_tool_use: true } : { type: 'tool', name, disable_parallel_tool_use: true };
    return { ...withAnswer, choice, forced: true };
  }
  const instruction = `Give your final answer by calling the tool ${name}, with nothing beside the call.`;
  return { ...withAnswer, choice: { type: 'auto', disable_parallel_tool_use: true }, forced: false, instructions: [instruction] };
}

/** The tools that are sent. A narrower choice is made by sending no others; that changes what is cached, but holds. */
function offered({ tools, toolChoice }: ChatRequest, { rules }: Workshop): ChatRequest['tools'] {
  if (toolChoice.mode === 'named' && !rules.forcedTools) return tools.filter(({ name }) => name === toolChoice.name);
  const names = 'names' in toolChoice ? toolChoice.names : undefined;
  return names ? tools.filter(({ name }) => names.includes(name)) : tools;
}

function declared(tools: readonly (FunctionTool | CustomTool)[], { structured }: Workshop, ignored: string[]): Draft[] {
  let strict = 0;
  return tools.map((tool) => {
    const { name, description, parameters, strict: wanted, at, cache } = tool.kind === 'custom' ? customAsFunction(tool) : tool;
    const held = wanted && structured && strict < STRICT_TOOLS ? heldTo(parameters) : undefined;
    if (held) strict++;
    else if (wanted) ignored.push(`${at}.strict`);
    const part = {
      name,
      ...(description ? { description } : {}),
      input_schema: held ?? inputSchema(parameters),
      ...(held ? { strict: true } : {}),
    };
    return { part, cache };
  });
}

/** A function without parameters takes an empty object. */
function heldTo(parameters: JsonSchema | undefined): Part | undefined {
  if (parameters === undefined) return { type: 'object', properties: {}, additionalProperties: false };
  return closedSchema(inputSchema(parameters));
}

function searches(request: ChatRequest, drafts: readonly Draft[], { quirks, ignored }: { quirks: Settled; ignored: string[] }): Draft[] {
  if (!request.extras.includes('web_search_options')) return [];
  const clash = drafts.some(({ part }) => part.name === 'web_search');
  if (quirks.webSearch === false || clash) {
    ignored.push('web_search_options');
    return [];
  }
  const options = fields(request.raw.web_search_options);
  const size = options.search_context_size;
  if (size === 'low' || size === 'high') ignored.push('web_search_options.search_context_size');
  const where = fields(fields(options.user_location).approximate);
  const known = ['city', 'country', 'region', 'timezone'].flatMap((key) => {
    const value = text(where[key]);
    return value ? [[key, value] as const] : [];
  });
  const located = known.length > 0 ? { user_location: { type: 'approximate', ...Object.fromEntries(known) } } : {};
  return [{ part: { type: quirks.webSearch, name: 'web_search', ...located } }];
}

interface Chosen {
  readonly choice: Part | undefined;
  readonly forced: boolean;
  readonly instructions: readonly string[];
  readonly ignored: readonly string[];
}

function choiceOf(request: ChatRequest, { rules }: Workshop, base: { drafts: readonly Draft[]; ignored: readonly string[] }): Chosen {
  const { toolChoice, tools } = request;
  const { ignored } = base;
  const plain = { forced: false, instructions: [], ignored };
  if (base.drafts.length === 0) return { ...plain, choice: undefined };
  if (toolChoice.mode === 'none') {
    // the provider's own tools are not meant
    const own = tools.length === 0 && base.drafts.some(({ part }) => 'type' in part);
    return { ...plain, choice: own ? undefined : { type: 'none' } };
  }
  const alone = request.parallelToolCalls ? {} : { disable_parallel_tool_use: true };
  if (toolChoice.mode === 'auto') return { ...plain, choice: request.parallelToolCalls ? undefined : { type: 'auto', ...alone } };
  const named = toolChoice.mode === 'named' ? toolChoice.name : undefined;
  if (rules.forcedTools) {
    const choice = named === undefined ? { type: 'any', ...alone } : { type: 'tool', name: named, disable_parallel_tool_use: true };
    return { ...plain, choice, forced: true };
  }
  const instruction = named === undefined ? 'Answer by calling at least one of the tools.' : `Answer by calling the tool ${named}.`;
  const choice = { type: 'auto', ...(named === undefined ? alone : { disable_parallel_tool_use: true }) };
  return { choice, forced: false, instructions: [instruction], ignored: [...ignored, 'tool_choice'] };
}

type AnswerPlan =
  | { readonly by: 'nothing' }
  | { readonly by: 'format'; readonly format: Part }
  | { readonly by: 'tool'; readonly tool: Part }
  | { readonly by: 'words'; readonly instruction: string };

/** How the answer gets its format: by the API's own means, by a tool whose arguments are the answer, or by being told. */
function answerPlan({ responseFormat, toolChoice }: ChatRequest, { structured }: Workshop, drafts: readonly Draft[]): AnswerPlan {
  if (responseFormat.type === 'text') return { by: 'nothing' };
  const schema = responseFormat.type === 'json_schema' ? responseFormat.schema : undefined;
  const held = structured && schema !== undefined ? closedSchema(schema) : undefined;
  if (held) return { by: 'format', format: { type: 'json_schema', schema: held } };
  // a call that the client demands is no answer of a format
  if (toolChoice.mode === 'required' || toolChoice.mode === 'named') return { by: 'nothing' };
  if (schema !== undefined && !isObjectSchema(schema)) {
    return {
      by: 'words',
      instruction: `Answer with JSON only, without code fences, that holds to this JSON Schema: ${JSON.stringify(schema)}`,
    };
  }
  const taken = new Set(drafts.map(({ part }) => part.name));
  let name = 'json';
  for (let n = 2; taken.has(name); n++) name = `json_${n}`;
  const said = responseFormat.type === 'json_schema' ? responseFormat.description : undefined;
  const what = 'Gives the answer to the user. The input of this tool, as a whole, is the JSON object that is the answer.';
  const input = schema === undefined ? { type: 'object', additionalProperties: true } : inputSchema(schema);
  return { by: 'tool', tool: { name, description: said ? `${what} ${said}` : what, input_schema: input } };
}

/** Only such a schema can be that of a tool's input word for word. */
function isObjectSchema(schema: JsonSchema): boolean {
  const { type, properties } = fields(schema);
  return type === 'object' || (type === undefined && properties !== undefined);
}
