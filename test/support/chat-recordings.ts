/** Recorded answers in the format of chat completions, put through the wire and compared with what they hold themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatRequest } from '../../src/core/chat.ts';
import { openaiChatWire } from '../../src/protocols/openai-chat/call.ts';
import type { OpenAIChatQuirks } from '../../src/protocols/openai-chat/quirks.ts';
import type { Prepared } from '../../src/protocols/wire.ts';
import { accept } from './openai-chat.ts';
import { WHY_NOT, framed, haveRecordings, judgeStream, judgeWhole, readRecording, recordedEvents, recordingsOf } from './recorded.ts';
import type { Envelope, Judged } from './recorded.ts';

export const SKIP = haveRecordings ? {} : { skip: WHY_NOT };
export const isStream = (name: string): boolean => name.endsWith('.chunks.txt');

const TOOLS = ['weather', 'webSearchTool'].map((name) => ({ type: 'function', function: { name } }));

export function asked(name: string, includeUsage = true): ChatRequest {
  return accept({ tools: TOOLS, ...(isStream(name) ? { stream: true, stream_options: { include_usage: includeUsage } } : {}) });
}

export function prepared(request: ChatRequest, quirks: OpenAIChatQuirks, provider = 'recorded'): Prepared {
  const target = { provider, upstreamModel: 'theirs', model: 'ours', baseUrl: 'https://api.example/v1', quirks, facts: {} };
  return openaiChatWire.prepare(request, target, { id: 'chatcmpl-recorded', created: 1_700_000_000 });
}

export interface Recorded {
  readonly folder: string;
  readonly name: string;
  readonly quirks: OpenAIChatQuirks;
  readonly envelope?: Envelope;
  readonly includeUsage?: boolean;
}

export function judge({ folder, name, quirks, envelope = 'data-done', includeUsage = true }: Recorded): Judged {
  const request = asked(name, includeUsage);
  if (!isStream(name)) return judgeWhole(JSON.parse(readRecording(folder, name)), { prepared: prepared(request, quirks), request });
  const bytes = framed(recordedEvents(folder, name), envelope);
  return judgeStream(bytes, { prepare: () => prepared(request, quirks), request });
}

/** What a recording says, read without the code under test. */
export interface Held {
  content: string;
  reasoning: string;
  calls: { id: string; name: string; arguments: string }[];
  finish: string;
  usage: { prompt: number; completion: number; cached: number; reasoning: number } | undefined;
}

/* oxlint-disable typescript/no-explicit-any -- recordings are JSON of any shape */
export function held(folder: string, name: string): Held {
  const bodies: any[] = isStream(name) ? recordedEvents(folder, name) : [JSON.parse(readRecording(folder, name))];
  const all: Held = { content: '', reasoning: '', calls: [], finish: '', usage: undefined };
  for (const body of bodies) {
    for (const choice of body.choices) {
      const said = choice.delta ?? choice.message;
      all.content += typeof said.content === 'string' ? said.content : partTexts(said.content, 'text');
      all.reasoning += (said.reasoning_content ?? said.reasoning ?? '') + partTexts(said.content, 'thinking');
      for (const [at, call] of (said.tool_calls ?? []).entries()) {
        const known = (all.calls[call.index ?? at] ??= { id: '', name: '', arguments: '' });
        known.id ||= call.id ?? '';
        known.name ||= call.function.name ?? '';
        known.arguments += call.function.arguments ?? '';
      }
      all.finish = choice.finish_reason || all.finish;
    }
    if (body.usage) all.usage = heldUsage(body.usage);
  }
  return all;
}

function partTexts(content: any, type: string): string {
  if (!Array.isArray(content)) return '';
  const parts = content.filter((part) => part.type === type);
  return parts.map((part) => (type === 'text' ? part.text : part.thinking.map((piece: any) => piece.text).join(''))).join('');
}

/** The sum that the provider gives is kept, also where it counts reasoning apart. */
function heldUsage(usage: any): Held['usage'] {
  return {
    prompt: usage.prompt_tokens,
    completion: usage.total_tokens - usage.prompt_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? usage.cached_tokens ?? 0,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}

export function told(judged: Judged): Held {
  assert.equal(judged.choices.length, 1);
  const { message, finish_reason: finish } = judged.choices[0]!;
  const { content, reasoning_content: reasoning, tool_calls: calls } = message as any;
  const usage = judged.usage as any;
  return {
    content: content ?? '',
    reasoning: reasoning ?? '',
    calls: (calls ?? []).map((call: any) => ({ id: call.id, name: call.function.name, arguments: call.function.arguments })),
    finish: finish ?? '',
    usage: usage && {
      prompt: usage.prompt_tokens,
      completion: usage.completion_tokens,
      cached: usage.prompt_tokens_details.cached_tokens,
      reasoning: usage.completion_tokens_details.reasoning_tokens,
    },
  };
}
/* oxlint-enable typescript/no-explicit-any */

/** A test for each file of a folder that `only` picks: no violation, and the same text, calls, reasoning, end and usage. */
export function testRecordings(
  title: string,
  recorded: { readonly folder: string; readonly quirks: OpenAIChatQuirks; readonly envelope?: Envelope; readonly only?: RegExp },
): void {
  const { folder, only = /./ } = recorded;
  const names = recordingsOf(folder).filter((name) => only.test(name));
  test(`${title}: there are recordings`, SKIP, () => assert.ok(names.length > 0));
  for (const name of names) {
    test(`${title}: ${name} arrives whole`, SKIP, () => {
      const judged = judge({ ...recorded, name });
      assert.deepEqual(judged.violations, []);
      assert.deepEqual(told(judged), held(folder, name));
    });
  }
}
