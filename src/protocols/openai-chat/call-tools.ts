/** The tools of a request, the choice among them and the format of the answer, which may have to be a tool as well. */
import type { ChatRequest, FunctionTool, JsonSchema, ResponseFormat, Tool, ToolChoice } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { fields, list } from '../json.ts';
import { answerFromTool } from '../reshape/answer-tool.ts';
import { customAsFunction, customFromFunctions } from '../reshape/custom-tools.ts';
import type { Reshape, WireTarget } from '../wire.ts';
import { hasNull, isMarked, marked, withoutNulls } from './call-messages.ts';
import { cleanSchema } from './call-schema.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

type Fields = Readonly<Record<string, unknown>>;
type Writable = Record<string, unknown>;
type JsonFormat = Extract<ResponseFormat, { readonly type: 'json_schema' }>;

export interface WrittenTools {
  /** `tools`, `tool_choice`, `parallel_tool_calls`, `functions`, `function_call`, `response_format`, those that are needed. */
  readonly body: Fields;
  readonly reshape: readonly (() => Reshape)[];
  /** Goes into the instructions: the schema, where no field can hold it. */
  readonly instruction?: string;
}

const NOTHING: WrittenTools = Object.freeze({ body: {}, reshape: [] });

/** `ignored` receives the paths of what is left out. Throws a GatewayError (400) where the provider has no tools, or no form for the answer. */
export function writeTools(request: ChatRequest, { quirks }: WireTarget<OpenAIChatQuirks>, ignored: string[]): WrittenTools {
  if (request.tools.length === 0 && request.responseFormat.type === 'text') return NOTHING;
  if (quirks.tools === false) refuseTools(request);
  const format = formatOf(request, quirks);
  const body: Writable = {};
  const reshape: (() => Reshape)[] = [];
  if (format.kind === 'ignored') ignored.push('response_format');
  if (format.kind === 'field') body['response_format'] = cleanFormat(format.value, quirks, ignored);
  if (request.legacyFunctions && quirks.functions !== false && format.kind !== 'tool') {
    body['functions'] = list(request.raw['functions']).map((one) => withoutNulls(fields(one)));
    if (request.raw['function_call'] != null) body['function_call'] = request.raw['function_call'];
    return { body, reshape, ...instructionOf(format) };
  }
  const answer = format.kind === 'tool' ? answerTool(request, format.format) : undefined;
  const none = quirks.tools === false || (quirks.noneChoice === false && request.toolChoice.mode === 'none');
  const offered = none ? [] : offeredTools(request, quirks, ignored);
  const choice = answer ? choiceWithAnswer(request, answer.name) : request.toolChoice;
  const tools = answer ? [...offered, { name: answer.name, written: writeFunction(answer, quirks, ignored) }] : offered;
  if (tools.length > 0) writeChoice({ body, tools, choice, request, quirks, ignored });
  if (answer) reshape.push(() => answerFromTool(answer.name));
  if (quirks.customTools === false && request.tools.some(isCustom)) {
    const custom = request.tools.filter(isCustom).map((tool) => tool.name);
    reshape.push(() => customFromFunctions(new Set(custom)));
  }
  return { body, reshape, ...instructionOf(format) };
}

const isCustom = (tool: Tool): boolean => tool.kind === 'custom';

function refuseTools({ tools, toolChoice, legacyFunctions }: ChatRequest): void {
  if (tools.length === 0 || toolChoice.mode === 'none') return;
  const param = legacyFunctions ? 'functions' : 'tools';
  throw new GatewayError('unsupported_parameter', `Unsupported parameter: '${param}' is not supported by this provider.`, { param });
}

interface Offered {
  readonly name: string;
  readonly written: Fields;
}

/** The client's tools in their order, where nothing has to change the very same ones. */
function offeredTools(request: ChatRequest, quirks: OpenAIChatQuirks, ignored: string[]): Offered[] {
  const raw = list(request.raw['tools']);
  return request.tools.map((tool, index) => ({
    name: tool.name,
    written: offeredTool(tool, fields(raw[index]), { request, quirks, ignored }),
  }));
}

interface Offering {
  readonly request: ChatRequest;
  readonly quirks: OpenAIChatQuirks;
  readonly ignored: string[];
}

function offeredTool(tool: Tool, raw: Fields, { request, quirks, ignored }: Offering): Fields {
  if (tool.kind === 'custom') {
    if (quirks.customTools === false) return writeFunction(customAsFunction(tool), quirks, ignored);
    return { ...withoutNulls(raw), custom: withoutNulls(fields(raw['custom'])) };
  }
  if (request.legacyFunctions) return writeFunction(tool, quirks, ignored);
  const called = fields(raw['function']);
  if (!hasNull(raw) && !isMarked(raw) && functionStays(called, quirks)) return raw;
  return marked({ ...withoutNulls(raw), function: cleanFunction(withoutNulls(called), tool.at, { quirks, ignored }) }, quirks);
}

/** Whether a function goes out just as the client wrote it. */
function functionStays(written: Fields, { strictTools, schemaKeywords }: OpenAIChatQuirks): boolean {
  if (strictTools === false && written['strict'] !== undefined) return false;
  return !hasNull(written) && (schemaKeywords === undefined || written['parameters'] === undefined);
}

function writeFunction(tool: FunctionTool, quirks: OpenAIChatQuirks, ignored: string[]): Fields {
  const { name, description, parameters, strict, at } = tool;
  const written = {
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict ? { strict } : {}),
  };
  return { type: 'function', function: cleanFunction(written, at, { quirks, ignored }) };
}

function cleanFunction(written: Writable, at: string, { quirks, ignored }: { quirks: OpenAIChatQuirks; ignored: string[] }): Writable {
  if (quirks.strictTools === false) {
    if (written['strict'] === true) ignored.push(`${at}.strict`);
    delete written['strict'];
  }
  const refused = quirks.schemaKeywords?.refused;
  if (refused && written['parameters'] !== undefined) {
    written['parameters'] = cleanSchema(written['parameters'], `${at}.parameters`, { refused: new Set(refused), ignored });
  }
  return written;
}

interface Choosing {
  readonly body: Writable;
  readonly tools: readonly Offered[];
  readonly choice: ToolChoice;
  readonly request: ChatRequest;
  readonly quirks: OpenAIChatQuirks;
  readonly ignored: string[];
}

/** Writes `tools`, `tool_choice` and `parallel_tool_calls`. */
function writeChoice({ body, tools, choice, request, quirks, ignored }: Choosing): void {
  const path = request.legacyFunctions ? 'function_call' : 'tool_choice';
  const kept = keptNames(choice, quirks);
  const written = tools.filter(({ name }) => !kept || kept.includes(name)).map((tool) => tool.written);
  const asked = list(request.raw['tools']);
  const isSame = written.length === asked.length && written.every((one, index) => one === asked[index]);
  // the client's own, where nothing has to change: what is known of it, as how it was written, is known of it then
  body['tools'] = isSame ? asked : written;
  const spelled = spellChoice(choice, { request, quirks });
  if (spelled === undefined) ignored.push(path);
  else if (spelled !== 'auto' || request.raw['tool_choice'] != null) body['tool_choice'] = spelled;
  const parallel = request.raw['parallel_tool_calls'] ?? (request.legacyFunctions ? false : undefined);
  if (parallel !== undefined) body['parallel_tool_calls'] = parallel;
}

/** The only tools to send, where the choice cannot say it. */
function keptNames(choice: ToolChoice, quirks: OpenAIChatQuirks): readonly string[] | undefined {
  if (choice.mode === 'named') return quirks.namedChoice === false ? [choice.name] : undefined;
  return choice.mode === 'none' || quirks.allowedTools !== false ? undefined : choice.names;
}

/** Undefined where the provider cannot be told. */
function spellChoice(choice: ToolChoice, { request, quirks }: { request: ChatRequest; quirks: OpenAIChatQuirks }): unknown {
  const required = quirks.requiredChoice ?? 'required';
  switch (choice.mode) {
    case 'none':
    case 'auto':
      return choice.mode === 'auto' && choice.names && quirks.allowedTools !== false ? request.raw['tool_choice'] : choice.mode;
    case 'required':
      if (choice.names && quirks.allowedTools !== false) return request.raw['tool_choice'];
      return required === false ? undefined : required;
    case 'named': {
      if (quirks.namedChoice === false) return required === false ? undefined : required;
      const custom = request.tools.some((tool) => tool.kind === 'custom' && tool.name === choice.name);
      return custom && quirks.customTools !== false
        ? { type: 'custom', custom: { name: choice.name } }
        : { type: 'function', function: { name: choice.name } };
    }
  }
}

type Format =
  | { readonly kind: 'none' | 'ignored' }
  | { readonly kind: 'field'; readonly value: Fields; readonly instruction?: string }
  | { readonly kind: 'tool'; readonly format: JsonFormat };

const ANY_OBJECT: JsonFormat = { type: 'json_schema', name: 'object', schema: { type: 'object' }, strict: false };

function formatOf(request: ChatRequest, quirks: OpenAIChatQuirks): Format {
  const { responseFormat: format, tools, toolChoice } = request;
  if (format.type === 'text') return { kind: 'none' };
  const beside = tools.length > 0 && toolChoice.mode !== 'none' && quirks.formatWithTools === false;
  const byTool = beside || (format.type === 'json_schema' && quirks.jsonSchema === 'tool');
  if (byTool) {
    // such an answer is calls only: it has no format
    if (toolChoice.mode === 'required' || toolChoice.mode === 'named') return { kind: 'none' };
    return { kind: 'tool', format: format.type === 'json_schema' ? format : ANY_OBJECT };
  }
  const raw = fields(request.raw['response_format']);
  if (format.type === 'json_object') {
    if (quirks.jsonObject === 'none') return { kind: 'ignored' };
    if (quirks.jsonObject !== 'json_schema') return { kind: 'field', value: raw };
    const { name, schema } = ANY_OBJECT;
    return { kind: 'field', value: { type: 'json_schema', json_schema: { name, schema } } };
  }
  if (quirks.jsonSchema !== 'json_object') return { kind: 'field', value: raw };
  const told = format.description ? `${format.description}\n` : '';
  const instruction = `${told}Answer with one JSON object and nothing else. It must be valid by this JSON Schema:\n${JSON.stringify(format.schema)}`;
  return { kind: 'field', value: { type: 'json_object' }, instruction };
}

function instructionOf(format: Format): { instruction?: string } {
  return format.kind === 'field' && format.instruction !== undefined ? { instruction: format.instruction } : {};
}

function cleanFormat(value: Fields, quirks: OpenAIChatQuirks, ignored: string[]): Fields {
  if (value['type'] !== 'json_schema') return value;
  const format = withoutNulls(fields(value['json_schema']));
  const refused = quirks.schemaKeywords?.refused;
  const path = 'response_format.json_schema.schema';
  if (refused) format['schema'] = cleanSchema(format['schema'], path, { refused: new Set(refused), ignored });
  return { ...value, json_schema: format };
}

/** The tool whose arguments are the answer, by a name that no other tool has. */
function answerTool({ tools }: ChatRequest, format: JsonFormat): FunctionTool {
  let name = 'final_answer';
  while (tools.some((tool) => tool.name === name)) name += '_';
  const description = `Gives the final answer to the user.${format.description ? ` ${format.description}` : ''}`;
  const at = 'response_format.json_schema';
  return { kind: 'function', name, description, parameters: objectSchema(format.schema), strict: format.strict, at };
}

/** Arguments are an object; a schema that leaves that open is told so. */
function objectSchema(schema: JsonSchema): JsonSchema {
  if (typeof schema !== 'boolean' && schema['type'] === 'object') return schema;
  const open = schema === true || (typeof schema === 'object' && schema['type'] === undefined);
  if (open) return { type: 'object', ...(typeof schema === 'object' ? schema : {}) };
  const param = 'response_format.json_schema.schema';
  const message = `Unsupported value: '${param}' must be of type 'object' for this provider, because the answer is made by calling a function.`;
  throw new GatewayError('unsupported_value', message, { param });
}

/** With tools of the client's beside it the model may choose, but must call something. */
function choiceWithAnswer({ tools, toolChoice }: ChatRequest, name: string): ToolChoice {
  if (tools.length === 0 || toolChoice.mode === 'none') return { mode: 'named', name };
  const names = toolChoice.mode === 'auto' ? toolChoice.names : undefined;
  return { mode: 'required', ...(names ? { names: [...names, name] } : {}) };
}
