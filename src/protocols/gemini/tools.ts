/** What the model may call, and the form of its answer: the two stand in each other's way here. */
import type { ChatRequest, FunctionTool, ResponseFormat } from '../../core/chat.ts';
import { answerFromTool } from '../reshape/answer-tool.ts';
import { customAsFunction, customFromFunctions } from '../reshape/custom-tools.ts';
import type { Reshape } from '../wire.ts';
import { fields } from '../json.ts';
import type { Traits } from './family.ts';
import { cleanSchema, parametersOf, withWords } from './schema.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface ToolPlan {
  readonly tools?: readonly Fields[];
  readonly toolConfig?: Fields;
  /** For `generationConfig`. */
  readonly format: Fields;
  readonly reshape: readonly (() => Reshape)[];
}

export interface PlanOptions {
  readonly traits: Traits;
  /** The model has no form of its own for JSON answers. */
  readonly plainOnly: boolean;
  readonly streamArguments: boolean;
  readonly ignore: (path: string) => void;
}

type JsonFormat = Exclude<ResponseFormat, { readonly type: 'text' }>;

/** What is to become of tools, search and format, each of which may have to make room for another. */
interface Decision {
  readonly functions: readonly FunctionTool[];
  readonly search: boolean;
  /** The format that the provider is told. */
  readonly native: JsonFormat | undefined;
  /** The format that is made by a tool. */
  readonly answer: Extract<JsonFormat, { readonly type: 'json_schema' }> | undefined;
}

export function planTools(request: ChatRequest, options: PlanOptions): ToolPlan {
  const { functions, search, native, answer } = decide(request, options);
  const names = new Set(functions.map(({ name }) => name));
  const answerName = answer && freeName(answer.name, names);
  const declared = functions.map(declaration);
  if (answer && answerName !== undefined) declared.push(answerDeclaration(answer, answerName));
  const tools: Fields[] = declared.length > 0 ? [{ functionDeclarations: declared }] : [];
  if (search) tools.unshift({ googleSearch: {} });
  const custom = new Set(request.tools.flatMap(({ kind, name }) => (kind === 'custom' ? [name] : [])));
  return {
    ...(tools.length > 0 ? { tools } : {}),
    ...(declared.length > 0 ? { toolConfig: toolConfig(request, { ...options, answerName, search, functions }) } : {}),
    format: native ? formatFields(native) : {},
    reshape: [
      ...(answerName === undefined ? [] : [() => answerFromTool(answerName)]),
      ...(custom.size === 0 ? [] : [() => customFromFunctions(custom)]),
    ],
  };
}

/**
 * Since Gemini 3 functions, searches and JSON answers go together, but for calls that are forced: those cannot be an
 * answer in JSON anyway. Before, any two of them are refused ("Function calling with a response mime type:
 * 'application/json' is unsupported"): functions come before searches, and a schema beside functions is one more
 * function that is called to answer.
 */
function decide(request: ChatRequest, { traits, plainOnly, ignore }: PlanOptions): Decision {
  const { responseFormat, toolChoice } = request;
  const wanted = request.tools.map((tool) => (tool.kind === 'custom' ? customAsFunction(tool) : tool));
  const together = traits.toolsTogether;
  const json = responseFormat.type === 'text' ? undefined : responseFormat;
  const searching = isGiven(request.raw['web_search_options']);
  // functions that may not be called only stand in the way of what may be
  const functions = !together && toolChoice.mode === 'none' && (json || searching) ? [] : wanted;
  const alone = functions.length === 0;
  const search = searching && traits.search && (together || (alone && !json));
  if (searching && !search) ignore('web_search_options');
  const forced = !alone && (toolChoice.mode === 'required' || toolChoice.mode === 'named');
  if (!json || forced) return { functions, search, native: undefined, answer: undefined };
  if (!plainOnly && (alone || together)) return { functions, search, native: json, answer: undefined };
  if (json.type === 'json_schema' && isObjectSchema(json) && !(search && !together))
    return { functions, search, native: undefined, answer: json };
  ignore('response_format');
  return { functions, search, native: undefined, answer: undefined };
}

const isGiven = (value: unknown): boolean => value !== null && value !== undefined;

/** Arguments are objects: only such an answer can be made of them. */
function isObjectSchema({ schema }: { readonly schema: unknown }): boolean {
  const type = fields(schema)['type'];
  return type === undefined || type === 'object';
}

/** A name that starts with a letter, as it must here, and that no tool has. */
function freeName(wanted: string, taken: ReadonlySet<string>): string {
  let name = `answer_${wanted}`.slice(0, 60);
  while (taken.has(name)) name += '_';
  return name;
}

function declaration({ name, description, parameters }: FunctionTool): Fields {
  const schema = parametersOf(parameters);
  return { name, ...(description ? { description } : {}), ...(schema ? { parametersJsonSchema: schema } : {}) };
}

function answerDeclaration({ description, schema }: Extract<JsonFormat, { readonly type: 'json_schema' }>, name: string): Fields {
  const said = 'Gives the final answer. Call it once, when no other tool is needed.';
  return {
    name,
    description: description ? `${said} ${description}` : said,
    parametersJsonSchema: withWords(cleanSchema(schema), { type: 'object' }),
  };
}

function formatFields(format: JsonFormat): Fields {
  const responseMimeType = 'application/json';
  if (format.type === 'json_object') return { responseMimeType };
  const described = format.description === undefined ? {} : { description: format.description };
  return { responseMimeType, responseJsonSchema: withWords(cleanSchema(format.schema), described) };
}

interface ChoiceOptions extends PlanOptions {
  readonly answerName: string | undefined;
  readonly search: boolean;
  readonly functions: readonly FunctionTool[];
}

function toolConfig({ toolChoice, stream }: ChatRequest, options: ChoiceOptions): Fields {
  const { traits, search, streamArguments } = options;
  const streaming = stream && streamArguments ? { streamFunctionCallArguments: true } : {};
  const functionCallingConfig = { ...callingMode(toolChoice, options), ...streaming };
  // without it the Gemini API refuses its own tools beside functions; Vertex AI does not know it
  const beside = search && !traits.vertex ? { includeServerSideToolInvocations: true } : {};
  return { functionCallingConfig, ...beside };
}

function callingMode(choice: ChatRequest['toolChoice'], { traits, answerName, search, functions }: ChoiceOptions): Fields {
  const limited = 'names' in choice && choice.names ? choice.names : undefined;
  if (answerName !== undefined) {
    const names = choice.mode === 'none' ? [] : (limited ?? functions.map(({ name }) => name));
    return { mode: 'ANY', allowedFunctionNames: [...names, answerName] };
  }
  const allowed = limited ? { allowedFunctionNames: limited } : {};
  switch (choice.mode) {
    case 'none':
      return { mode: 'NONE' };
    case 'named':
      return { mode: 'ANY', allowedFunctionNames: [choice.name] };
    case 'required':
      return { mode: 'ANY', ...allowed };
    case 'auto': {
      // AUTO knows no names; VALIDATED is AUTO with calls held to their schemas
      const exact = limited !== undefined || search || functions.some(({ strict }) => strict);
      return { mode: exact && traits.validated ? 'VALIDATED' : 'AUTO', ...(traits.validated ? allowed : {}) };
    }
  }
}
