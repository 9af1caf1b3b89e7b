/** The tools of a request and the choice among them. */
import type { ChatRequest, FunctionTool, Json, Tool } from '../../core/chat.ts';
import { fields } from '../json.ts';
import { customAsFunction } from '../reshape/custom-tools.ts';
import { cachePoint, isBlank } from './content.ts';
import type { Content } from './content.ts';
import type { BedrockQuirks } from './quirks.ts';
import { inputSchema, isEnforceable } from './schema.ts';
import { toolName } from './tool-ids.ts';

export interface ToolPlan {
  /** `toolConfig.tools`; none where the request has no `toolConfig`. */
  readonly tools: Content[];
  readonly toolChoice?: Content;
  /** `tool_choice` of `additionalModelRequestFields`. */
  readonly nativeChoice?: Json;
  /** The model may not call anything: what it calls all the same is left out. */
  readonly silent: boolean;
  /** The answer's tool is offered but could not be forced. */
  readonly mustAsk: boolean;
}

export interface ToolRules {
  readonly quirks: BedrockQuirks;
  /** The tool whose arguments are the answer, where there is one. */
  readonly answer: FunctionTool | undefined;
  /** No tool may be forced now. */
  readonly unforced: boolean;
  readonly ignored: string[];
}

/** A declaration there has to be where the conversation holds calls, even if no more calls are wanted. */
const UNAVAILABLE: FunctionTool = {
  kind: 'function',
  name: 'unavailable',
  description: 'No tools can be called now. Never call this one.',
  strict: false,
  at: 'tools',
};

type Wanted = 'auto' | 'any' | { readonly name: string };

export function planTools(request: ChatRequest, rules: ToolRules): ToolPlan {
  const { quirks, answer, ignored } = rules;
  const offered = offeredTools(request);
  const search = searchTool(request, rules);
  if (offered.length === 0 && search.length === 0 && !answer) return withoutTools(request, rules);

  const wanted = wantedChoice(request, answer);
  // told to take any of one tool, a model takes that tool
  const only = typeof wanted === 'object' && quirks.toolChoice !== undefined ? wanted.name : undefined;
  const declared = answer ? [...offered, answer] : offered;
  const tools = declared.filter(({ name }) => only === undefined || name === only);
  const choice = only !== undefined && quirks.toolChoice === 'any' ? 'any' : wanted;
  const possible = choice === 'auto' || (!rules.unforced && quirks.toolChoice !== 'auto');
  if (!possible && !answer) ignored.push('tool_choice');
  const list = [...tools.flatMap((tool) => declaration(tool, rules)), ...search];
  const plan = { tools: list, silent: false, mustAsk: !possible && answer !== undefined };
  const final = possible ? choice : 'auto';
  if (request.raw.parallel_tool_calls !== false || offered.length === 0) return { ...plan, ...written(final) };
  if (quirks.nativeToolChoice) return { ...plan, nativeChoice: { ...nativeChoice(final), disable_parallel_tool_use: true } };
  ignored.push('parallel_tool_calls');
  return { ...plan, ...written(final) };
}

/** The functions that may be called, custom tools among them. */
function offeredTools({ tools, toolChoice }: ChatRequest): FunctionTool[] {
  if (toolChoice.mode === 'none') return [];
  const names = 'names' in toolChoice ? toolChoice.names : undefined;
  return tools.filter(({ name }) => names === undefined || names.includes(name)).map(asFunction);
}

const asFunction = (tool: Tool): FunctionTool => (tool.kind === 'custom' ? customAsFunction(tool) : tool);

/** The web search of the model itself, for `web_search_options`, whose details it takes not. */
function searchTool({ extras, raw }: ChatRequest, { quirks, ignored }: ToolRules): Content[] {
  if (!extras.includes('web_search_options')) return [];
  if (quirks.searchTool === undefined) {
    ignored.push('web_search_options');
    return [];
  }
  for (const [name, value] of Object.entries(fields(raw.web_search_options))) {
    if (value !== null) ignored.push(`web_search_options.${name}`);
  }
  return [{ systemTool: { name: quirks.searchTool } }];
}

function wantedChoice({ toolChoice }: ChatRequest, answer: FunctionTool | undefined): Wanted {
  if (toolChoice.mode === 'named') return { name: toolChoice.name };
  if (toolChoice.mode === 'required') return 'any';
  // beside no other tool that is the answer's; more models take `any` than a name
  return answer ? 'any' : 'auto';
}

/** `auto` is the default, and not every model takes it in words. */
function written(choice: Wanted): { readonly toolChoice?: Content } {
  if (choice === 'auto') return {};
  return { toolChoice: choice === 'any' ? { any: {} } : { tool: { name: choice.name } } };
}

const nativeChoice = (choice: Wanted): { readonly [key: string]: Json } =>
  typeof choice === 'string' ? { type: choice } : { type: 'tool', name: choice.name };

function declaration(tool: FunctionTool, { quirks, ignored, answer }: ToolRules): Content[] {
  const { name, description, parameters, at } = tool;
  const enforced = tool.strict && quirks.strictTools === true && isEnforceable(parameters);
  if (tool.strict && !enforced && tool !== answer) ignored.push(`${at}.strict`);
  const toolSpec = {
    name,
    ...(description === undefined || isBlank(description) ? {} : { description }),
    inputSchema: { json: inputSchema(parameters, quirks.bareToolSchema === true) },
    ...(enforced ? { strict: true } : {}),
  };
  if (!tool.cache) return [{ toolSpec }];
  if (quirks.caching === 'all') return [{ toolSpec }, cachePoint(tool.cache, quirks.cacheTtl === true)];
  ignored.push(`${at.replace(/\.function$/, '')}.cache_control`);
  return [{ toolSpec }];
}

/** Converse refuses calls and results in the conversation where no tool is declared. */
function withoutTools(request: ChatRequest, rules: ToolRules): ToolPlan {
  const called = request.messages.flatMap(({ blocks }) => blocks.filter((block) => block.type === 'tool_call'));
  if (called.length === 0) return { tools: [], silent: false, mustAsk: false };
  if (!rules.quirks.nativeToolChoice) return { tools: declaration(UNAVAILABLE, rules), silent: true, mustAsk: false };
  const known = request.tools.map(asFunction);
  const names = new Set(known.map(({ name }) => name));
  for (const { name } of called) {
    if (names.has(toolName(name))) continue;
    names.add(toolName(name));
    known.push({ kind: 'function', name: toolName(name), strict: false, at: 'tools' });
  }
  const tools = known.flatMap((tool) => declaration(tool, rules));
  return { tools, nativeChoice: { type: 'none' }, silent: true, mustAsk: false };
}
