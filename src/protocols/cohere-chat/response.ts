/** A whole answer. */
import type { Annotation, Block, ChatResponse, ToolCallBlock } from '../../core/chat.ts';
import { textOf } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { reportedError } from '../failure.ts';
import { count, fields, list, text } from '../json.ts';
import type { AnswerHead } from '../wire.ts';
import { errorMessage, readArguments, readCitation, readLogprobs, readReason, readUsage } from './facts.ts';
import type { Thought } from './messages.ts';

export interface Answering {
  readonly head: AnswerHead;
  /** What the client calls the model. */
  readonly model: string;
  /** Owner of the reasoning. */
  readonly provider: string;
}

/** Throws `upstream` where the body is no answer, and the provider's own words where it is an error. */
export function readResponse(body: unknown, { head, model, provider }: Answering): ChatResponse {
  const answer = fields(body);
  if (typeof answer['message'] !== 'object' || answer['message'] === null) {
    const message = errorMessage(body);
    if (message !== undefined) throw reportedError({ status: 502, message });
    throw new GatewayError('upstream', 'The provider sent something that is no answer of its chat API.');
  }
  const { content, tool_plan: plan, tool_calls: called, citations } = fields(answer['message']);
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : list(content);
  const thought = (words: unknown, key: keyof ThoughtKeys): Block[] => {
    const said = text(words);
    return said ? [{ type: 'reasoning', text: said, state: { owner: provider, data: thoughtData(key, said) } }] : [];
  };
  const texts: Block[] = [];
  const thoughts: Block[] = [];
  /** Where the text of each part begins in the text of the choice. */
  const places: { readonly words: string; readonly offset: number }[] = [];
  for (const part of parts) {
    const { type, text: said, thinking } = fields(part);
    const words = type === 'text' ? (text(said) ?? '') : '';
    places.push({ words, offset: textOf(texts).length });
    if (words !== '') texts.push({ type: 'text', text: words });
    if (type === 'thinking') thoughts.push(...thought(thinking, 'thinking'));
  }
  const calls = list(called).map((call, index) => readCall(call, `${head.id}_${index}`));
  const annotations = list(citations).flatMap((citation): Annotation[] => {
    const at = count(fields(citation)['content_index']) ?? places.findIndex(({ words }) => words !== '');
    const place = places[at] ?? { words: '', offset: 0 };
    return readCitation(citation, place.words, place.offset);
  });
  const logprobs = readLogprobs(answer['logprobs'], textOf(texts));
  return {
    ...head,
    model,
    choices: [
      {
        blocks: [...thoughts, ...thought(plan, 'tool_plan'), ...texts, ...calls],
        reason: readReason(answer['finish_reason'], calls.length > 0),
        ...(annotations.length > 0 ? { annotations } : {}),
        ...(logprobs ? { logprobs } : {}),
      },
    ],
    usage: readUsage(answer['usage']),
  };
}

export interface ThoughtKeys {
  readonly thinking: string;
  readonly tool_plan: string;
}

/** What a block of reasoning keeps for the next turn: its words under the name they go back by. */
export function thoughtData(key: keyof ThoughtKeys, words: string): Thought {
  return key === 'thinking' ? { thinking: words } : { tool_plan: words };
}

/** `made` is the id where the provider gives none. */
export function readCall(value: unknown, made: string): ToolCallBlock {
  const { id, function: called } = fields(value);
  const { name, arguments: input } = fields(called);
  return { type: 'tool_call', id: text(id) || `call_${made}`, kind: 'function', name: text(name) ?? '', input: readArguments(input) };
}
