/** Answers of a given form: by the API's own means where the model has them, else by a tool that it is made to call. */
import type { ChatRequest, FunctionTool } from '../../core/chat.ts';
import type { BedrockQuirks } from './quirks.ts';
import { isEnforceable } from './schema.ts';

export interface Structure {
  /** `outputConfig.textFormat`. */
  readonly textFormat?: Readonly<Record<string, unknown>>;
  /** The tool whose arguments are the answer. */
  readonly tool?: FunctionTool;
}

/** Nothing where the answer is free text, or must be the call of a tool of the client's. */
export function planStructure(request: ChatRequest, quirks: BedrockQuirks): Structure {
  const { responseFormat: format, toolChoice } = request;
  if (format.type === 'text' || toolChoice.mode === 'required' || toolChoice.mode === 'named') return {};
  if (format.type === 'json_schema' && format.strict && quirks.jsonSchema && isEnforceable(format.schema)) {
    const { name, description, schema } = format;
    const jsonSchema = { schema: JSON.stringify(schema), name, ...(description ? { description } : {}) };
    return { textFormat: { type: 'json_schema', structure: { jsonSchema } } };
  }
  const parameters = format.type === 'json_schema' ? format.schema : { type: 'object', additionalProperties: true };
  const purpose = format.type === 'json_schema' ? format.description : undefined;
  const description = `Gives the final answer: its arguments are the answer as a JSON object.${purpose ? ` ${purpose}` : ''}`;
  const strict = format.type === 'json_schema' && format.strict;
  return { tool: { kind: 'function', name: unusedName(request), description, parameters, strict, at: 'response_format' } };
}

function unusedName({ tools }: ChatRequest): string {
  const taken = new Set(tools.map(({ name }) => name));
  let name = 'json';
  while (taken.has(name)) name = `${name}_answer`;
  return name;
}

/** What a model is told that takes the tool but cannot be made to call it. */
export function askForTool(name: string): string {
  return `Give your final answer by calling the tool "${name}", and in no other way.`;
}
