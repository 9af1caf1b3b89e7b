/** A whole answer of Converse, and what streams say in the same words. */
import type { Annotation, Block, ChatResponse, Json, ProviderState, StopReason, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { count, entry, fields, list, text } from '../json.ts';
import { errorBody } from './error.ts';

export interface AnswerFacts {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  /** Owner of the state. */
  readonly provider: string;
  /** The model may not call anything: its calls are left out. */
  readonly silent: boolean;
}

/** Throws the provider's error where the body is one, `upstream` where it is no answer or says that it is spoilt. */
export function readAnswer(body: unknown, facts: AnswerFacts): ChatResponse {
  const answer = fields(body);
  const message = fields(fields(answer.output).message);
  if (!Array.isArray(message.content)) throw errorBody(body);
  const stop = stopReason(answer.stopReason);
  if (stop instanceof GatewayError) throw stop;
  const { blocks, annotations, searches } = readBlocks(message.content, facts);
  const tier = serviceTier(answer.serviceTier);
  const calls = blocks.some(({ type }) => type === 'tool_call');
  const usage = readUsage(answer.usage, searches);
  return {
    id: facts.id,
    created: facts.created,
    model: facts.model,
    ...(tier === undefined ? {} : { serviceTier: tier }),
    choices: [{ blocks, ...(annotations.length > 0 ? { annotations } : {}), reason: finishOf(stop, calls) }],
    usage,
  };
}

interface ReadBlocks {
  readonly blocks: readonly Block[];
  readonly annotations: readonly Annotation[];
  readonly searches: ReadonlyMap<string, number>;
}

function readBlocks(content: readonly unknown[], { id, provider, silent }: AnswerFacts): ReadBlocks {
  const blocks: Block[] = [];
  const annotations: Annotation[] = [];
  const searches = new Map<string, number>();
  let length = 0;
  /** Where the last text began: citations that come with no text of their own are about it. */
  let began = 0;
  const say = (said: string): void => {
    if (said === '') return;
    began = length;
    length += said.length;
    blocks.push({ type: 'text', text: said });
  };

  for (const item of content) {
    const block = fields(item);
    const citations = fields(block.citationsContent);
    if (typeof block.text === 'string') say(wellFormed(block.text));
    else if (block.citationsContent !== undefined) {
      say(wellFormed(list(citations.content).reduce<string>((joined, part) => joined + (text(fields(part).text) ?? ''), '')));
      annotations.push(...list(citations.citations).flatMap((citation) => toAnnotation(citation, began, length)));
    } else if (block.reasoningContent !== undefined) blocks.push(...readReasoning(fields(block.reasoningContent), provider));
    else if (block.toolUse !== undefined) {
      const use = fields(block.toolUse);
      if (isServerTool(use)) {
        countSearch(searches, use.name);
        blocks.push({ type: 'opaque', state: { owner: provider, data: block as Json } });
      } else if (!silent)
        blocks.push({ type: 'tool_call', kind: 'function', ...callOf(use, id, blocks.length), input: inputText(use.input) });
    } else if (block.toolResult !== undefined) blocks.push({ type: 'opaque', state: { owner: provider, data: block as Json } });
  }
  return { blocks, annotations, searches };
}

const wellFormed = (said: string): string => said.toWellFormed();

function readReasoning(reasoning: Readonly<Record<string, unknown>>, provider: string): Block[] {
  const told = fields(reasoning.reasoningText);
  const said = wellFormed(text(told.text) ?? '');
  const state = reasoningState({ provider, text: text(told.text) ?? '', signature: text(told.signature), redacted: redactedOf(reasoning) });
  return said === '' && !state ? [] : [{ type: 'reasoning', text: said, ...(state ? { state } : {}) }];
}

/** Encrypted thoughts: base64, under the API's name or the one that some recordings have. */
export function redactedOf(reasoning: Readonly<Record<string, unknown>>): string | undefined {
  return text(reasoning.redactedContent) ?? text(fields(reasoning.redactedReasoning).data) ?? text(reasoning.data);
}

export interface Thought {
  readonly provider: string;
  readonly text: string;
  readonly signature: string | undefined;
  readonly redacted: string | undefined;
}

/** The block as it is sent again. Thoughts without a signature are not: undefined. */
export function reasoningState({ provider, text: said, signature, redacted }: Thought): ProviderState | undefined {
  if (redacted) return { owner: provider, data: { reasoningContent: { redactedContent: redacted } } };
  if (!signature) return undefined;
  return { owner: provider, data: { reasoningContent: { reasoningText: { text: said, signature } } } };
}

export const isServerTool = (use: Readonly<Record<string, unknown>>): boolean => use.type === 'server_tool_use';

export function countSearch(searches: Map<string, number>, name: unknown): void {
  const tool = text(name) || 'tool';
  searches.set(tool, (searches.get(tool) ?? 0) + 1);
}

/** Id and name of a call; `block` is its place in the answer `answer`, which makes the id where the provider made none. */
export function callOf(use: Readonly<Record<string, unknown>>, answer: string, block: number): { id: string; name: string } {
  return { id: text(use.toolUseId) || `call_${answer}_${block}`, name: toolName(text(use.name) ?? '') };
}

/** Models of OpenAI's open kind leave marks of their own behind the name: `json<|channel|>commentary`. */
function toolName(name: string): string {
  const mark = name.indexOf('<|');
  return mark > 0 ? name.slice(0, mark) : name;
}

/** Arguments as JSON text; a text is taken for it already. */
export function inputText(input: unknown): string {
  if (typeof input === 'string') return input;
  return input === undefined || input === null ? '{}' : JSON.stringify(input);
}

/** A citation of a place on the web; those of documents have no place in the contract. */
export function toAnnotation(citation: unknown, start: number, end: number): Annotation[] {
  const said = fields(citation);
  const web = fields(fields(said.location).web);
  const source = text(said.source);
  const url = text(web.url) ?? (source !== undefined && /^https?:\/\//.test(source) ? source : undefined);
  if (!url) return [];
  return [{ type: 'url_citation', url, title: text(said.title) || text(web.domain) || url, start, end }];
}

/** `spoilt` output is an error: what came of it is no answer. */
export function stopReason(reason: unknown): StopReason | GatewayError {
  switch (reason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'guardrail_intervened':
    case 'content_filtered':
    case 'refusal':
      return 'content_filter';
    case 'tool_use':
      return 'tool_calls';
    case 'malformed_model_output':
    case 'malformed_tool_use': {
      const what = reason === 'malformed_tool_use' ? 'a tool call' : 'an answer';
      return new GatewayError('upstream', `The provider says that the model made ${what} which cannot be read (${reason}).`);
    }
    default:
      return 'stop';
  }
}

/** `tool_calls` exactly where there are calls: a stop for the provider's own tools is none. */
export function finishOf(stop: StopReason, calls: boolean): StopReason {
  if (stop === 'length' || stop === 'content_filter') return stop;
  return calls ? 'tool_calls' : 'stop';
}

/** Cached tokens, read and written, are counted beside `inputTokens`; undefined where there is no count at all. */
export function readUsage(value: unknown, searches: ReadonlyMap<string, number>): Usage | undefined {
  const usage = fields(value);
  const input = count(usage.inputTokens);
  const output = count(usage.outputTokens);
  if (input === undefined || output === undefined) return undefined;
  const read = count(usage.cacheReadInputTokens) ?? count(usage.cacheReadInputTokenCount) ?? 0;
  const wrote = count(usage.cacheWriteInputTokens) ?? count(usage.cacheWriteInputTokenCount);
  const details = list(usage.cacheDetails).map(fields);
  const long = details.reduce((sum, { ttl, inputTokens }) => sum + (ttl === '1h' ? (count(inputTokens) ?? 0) : 0), 0);
  return {
    promptTokens: input + read + (wrote ?? 0),
    completionTokens: output,
    cachedTokens: read,
    reasoningTokens: 0,
    ...(wrote === undefined ? {} : { cacheWriteTokens: wrote }),
    ...(details.length === 0 ? {} : { cacheWriteLongTokens: long }),
    ...(searches.size > 0 ? { providerTools: Object.fromEntries(searches) } : {}),
  };
}

const TIERS: Readonly<Record<string, string>> = { default: 'default', flex: 'flex', priority: 'priority', reserved: 'scale' };

/** In the contract's words. */
function serviceTier(value: unknown): string | undefined {
  return entry(TIERS, text(fields(value).type));
}
