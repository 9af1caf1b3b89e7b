/** A request's tools as a local model meets them: functions with JSON arguments, whatever the client called them. */
import type { ChatRequest, JsonSchema, Tool } from '../../../core/chat.ts';
import { GatewayError } from '../../../core/error.ts';

export interface OfferedTool {
  readonly name: string;
  readonly kind: 'function' | 'custom';
  readonly description: string;
  /** The arguments' schema; an object without members for a function without arguments. */
  readonly schema: JsonSchema;
  readonly strict: boolean;
  /** Where the schema, or what it was made from, stands in the client's body. */
  readonly path: string;
}

export interface ToolOffer {
  /** What the model is told of; empty where the request allows no call. */
  readonly told: readonly OfferedTool[];
  /** What it may call. */
  readonly callable: readonly OfferedTool[];
  /** `free`: it may call or answer. */
  readonly must: 'free' | 'call';
  readonly most: 'one' | 'many';
}

const NO_ARGUMENTS: JsonSchema = { type: 'object', properties: {}, additionalProperties: false };

/** The tools of a request after its `tool_choice`. Throws `unsupported_value` for a callable tool whose input cannot be held to its grammar. */
export function offerTools(request: ChatRequest): ToolOffer {
  const { toolChoice: choice, tools } = request;
  if (choice.mode === 'none' || tools.length === 0) return { told: [], callable: [], must: 'free', most: 'one' };
  const allowed = choice.mode === 'named' ? [choice.name] : (choice.names ?? tools.map((tool) => tool.name));
  const callable = tools.filter((tool) => allowed.includes(tool.name));
  for (const tool of callable) refuseLark(tool);
  return {
    told: tools.map(offered),
    callable: callable.map(offered),
    must: choice.mode === 'auto' ? 'free' : 'call',
    most: choice.mode === 'named' || !request.parallelToolCalls ? 'one' : 'many',
  };
}

function refuseLark(tool: Tool): void {
  if (tool.kind !== 'custom' || tool.grammar?.syntax !== 'lark') return;
  throw new GatewayError(
    'unsupported_value',
    `Local models cannot be held to a Lark grammar; the custom tool "${tool.name}" may use the syntax "regex" or no grammar.`,
    { param: `${tool.at}.format.grammar.syntax` },
  );
}

/**
 * The same schema, of objects alone: that is what arguments are, and what clients read them as. Schemas that say nothing
 * of a type (`{}` above all) are common, and would let any JSON value through.
 */
function ofObjects(schema: JsonSchema, path: string): JsonSchema {
  if (typeof schema !== 'object' || schema['type'] === 'object') return schema;
  const { type } = schema;
  const known = type === undefined || (Array.isArray(type) && type.includes('object'));
  if (known) return { ...schema, type: 'object' };
  const message = `The arguments of a function are an object: expected a schema of the type "object", but got ${JSON.stringify(type)?.slice(0, 60)}.`;
  throw new GatewayError('invalid_json_schema', message, { param: `${path}.type` });
}

function offered(tool: Tool): OfferedTool {
  const { name, description = '' } = tool;
  if (tool.kind === 'function') {
    const path = `${tool.at}.parameters`;
    return { name, kind: 'function', description, schema: ofObjects(tool.parameters ?? NO_ARGUMENTS, path), strict: tool.strict, path };
  }
  const pattern = tool.grammar?.syntax === 'regex' ? { pattern: `^(?:${tool.grammar.definition})$` } : {};
  return {
    name,
    kind: 'custom',
    description,
    schema: { type: 'object', properties: { input: { type: 'string', ...pattern } }, required: ['input'], additionalProperties: false },
    strict: true,
    path: `${tool.at}.format.grammar.definition`,
  };
}

interface ToldFunction {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description: string; readonly parameters: Readonly<Record<string, unknown>> };
}

/** A tool in the shape that chat templates read. A description is always there: some templates join it to other text. */
export function forTemplate(tool: OfferedTool): ToldFunction {
  const parameters = typeof tool.schema === 'object' ? tool.schema : { type: 'object', properties: {} };
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters } };
}
