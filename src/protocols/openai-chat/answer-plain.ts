/** The most frequent answers, read at once: one choice that says a text, or calls tools, and nothing else. */
import type { Block, ChatRequest, ChatResponse, ToolCallBlock } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';
import type { AnswerHead, WireTarget } from '../wire.ts';
import { argumentsOf, toolName } from './answer-calls.ts';
import { isFailure, saysMore, stopReason } from './answer-choice.ts';
import { headOf } from './answer-head.ts';
import { readUsage, usageIn } from './answer-usage.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Undefined where the answer is another: then it is read as the events that it makes, and read so this one would be the same. */
export function readPlain(
  body: Fields,
  { request, target, head }: { readonly request: ChatRequest; readonly target: WireTarget; readonly head: AnswerHead },
): ChatResponse | undefined {
  if (request.n !== 1 || request.logprobs) return undefined;
  if (body['citations'] != null || body['search_results'] != null) return undefined;
  const choice = fields(list(body['choices'])[0]);
  const reason = text(choice['finish_reason']) || 'stop';
  if (choice['usage'] != null || isFailure(reason)) return undefined;
  const blocks = blocksOf(fields(choice['message']));
  if (!blocks) return undefined;
  const called = blocks.at(-1)?.type === 'tool_call';
  const usage = usageIn(body);
  return Object.assign(headOf(body, target, head), {
    choices: [{ blocks, reason: stopReason(reason, called) }],
    usage: usage && readUsage(usage),
  });
}

function blocksOf(message: Fields): Block[] | undefined {
  const { content, tool_calls: calls } = message;
  if (saysMore(message, 'tool_calls')) return undefined;
  if (list(calls).length > 0) return callsBehind(content ?? '', list(calls));
  if (typeof content !== 'string') return undefined;
  return content === '' ? [] : [{ type: 'text', text: content.toWellFormed() }];
}

/** Undefined where it takes more to tell the calls apart than that each has an id and a name. */
function callsBehind(content: unknown, entries: readonly unknown[]): Block[] | undefined {
  if (typeof content !== 'string') return undefined;
  const blocks: Block[] = content === '' ? [] : [{ type: 'text', text: content.toWellFormed() }];
  const ids = entries.length > 1 ? new Set<string>() : undefined;
  for (const entry of entries) {
    const call = callOf(fields(entry));
    if (!call || ids?.has(call.id)) return undefined;
    ids?.add(call.id);
    blocks.push(call);
  }
  return blocks;
}

function callOf({ id, function: called, custom, extra_content: state }: Fields): ToolCallBlock | undefined {
  const { name: given, arguments: input } = fields(called);
  const name = toolName(given);
  if (typeof id !== 'string' || id === '' || name === '' || custom != null || state != null) return undefined;
  return { type: 'tool_call', id, kind: 'function', name, input: argumentsOf(input).toWellFormed() };
}
