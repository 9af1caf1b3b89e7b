/** OpenAI's two protocols. */
import { joined, noise, sse } from './form.ts';
import type { Form } from './form.ts';

const HEAD = {
  id: 'chatcmpl-D8Z5oo6uDh67AD85p73ksdT1KxhE0',
  created: 1_770_933_892,
  model: 'gpt-4.1-nano-2025-04-14',
  service_tier: 'default',
  system_fingerprint: 'fp_de604bd877',
};

const USAGE = {
  prompt_tokens: 16,
  completion_tokens: 300,
  total_tokens: 316,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
};

const callId = (at: number): string => `call_${noise(20)}${at}`;

function chunk(choices: readonly unknown[], usage: unknown = null): Uint8Array {
  const { id, created, model, ...rest } = HEAD;
  return sse({ id, object: 'chat.completion.chunk', created, model, ...rest, choices, usage });
}

const delta = (value: unknown, reason: string | null = null): Uint8Array =>
  chunk([{ index: 0, delta: value, logprobs: null, finish_reason: reason }]);

/** Reasoning as `reasoning_content`, the field that most who follow OpenAI use. */
export const chatForm: Form = {
  words: 1,
  framing: 'sse',
  stream: ({ reasoning, text, calls }) => [
    delta({ role: 'assistant', content: '', refusal: null }),
    ...reasoning.map((piece) => delta({ reasoning_content: piece })),
    ...text.map((content) => delta({ content })),
    ...calls.flatMap(({ name, pieces }, index) => [
      delta({ tool_calls: [{ index, id: callId(index), type: 'function', function: { name, arguments: '' } }] }),
      ...pieces.map((piece) => delta({ tool_calls: [{ index, function: { arguments: piece } }] })),
    ]),
    delta({}, calls.length > 0 ? 'tool_calls' : 'stop'),
    chunk([], USAGE),
    sse('[DONE]'),
  ],
  whole({ reasoning, text, calls }) {
    const message = {
      role: 'assistant',
      content: joined(text),
      ...(reasoning.length > 0 ? { reasoning_content: joined(reasoning) } : {}),
      ...(calls.length > 0
        ? {
            tool_calls: calls.map(({ name, pieces }, at) => ({
              id: callId(at),
              type: 'function',
              function: { name, arguments: joined(pieces) },
            })),
          }
        : {}),
      refusal: null,
      annotations: [],
    };
    const choice = { index: 0, message, logprobs: null, finish_reason: calls.length > 0 ? 'tool_calls' : 'stop' };
    return { ...HEAD, object: 'chat.completion', choices: [choice], usage: USAGE };
  },
};

const itemId = (kind: string, at: number): string => `${kind}_${noise(48)}${at}`;

function responseOf(status: string, output: readonly unknown[]): unknown {
  const usage = {
    input_tokens: 299,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 300,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 599,
  };
  return {
    id: `resp_${noise(48)}`,
    object: 'response',
    created_at: 1_765_552_659,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    model: 'gpt-5.1-codex',
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: 'high', summary: 'detailed' },
    service_tier: status === 'completed' ? 'default' : 'auto',
    store: false,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 0.985,
    truncation: 'disabled',
    usage: status === 'completed' ? usage : null,
    user: null,
    metadata: {},
  };
}

const reasoningItem = (text: string): Record<string, unknown> => ({
  id: itemId('rs', 0),
  type: 'reasoning',
  encrypted_content: noise(1000),
  summary: text === '' ? [] : [{ type: 'summary_text', text }],
});

const messageItem = (content: readonly unknown[], status: string): Record<string, unknown> => ({
  id: itemId('msg', 0),
  type: 'message',
  status,
  content,
  role: 'assistant',
});

const outputText = (text: string): unknown => ({ type: 'output_text', annotations: [], logprobs: [], text });

const callItem = (name: string, at: number, input: string): Record<string, unknown> => ({
  id: itemId('fc', at),
  type: 'function_call',
  status: input === '' ? 'in_progress' : 'completed',
  arguments: input,
  call_id: callId(at),
  name,
});

export const responsesForm: Form = {
  words: 1,
  framing: 'sse',
  stream(said) {
    const { reasoning, text, calls } = said;
    const events: Uint8Array[] = [];
    let output = -1;
    const say = (type: string, rest: object): void => void events.push(sse({ type, sequence_number: events.length, ...rest }, type));
    const grow = (type: string, where: object, pieces: readonly string[]): void => {
      for (const piece of pieces) say(type, { ...where, delta: piece, obfuscation: noise(16 - (piece.length % 16)) });
    };

    say('response.created', { response: responseOf('in_progress', []) });
    say('response.in_progress', { response: responseOf('in_progress', []) });
    if (reasoning.length > 0) {
      output++;
      const where = { item_id: itemId('rs', 0), output_index: output, summary_index: 0 };
      const whole = joined(reasoning);
      say('response.output_item.added', { output_index: output, item: reasoningItem('') });
      say('response.reasoning_summary_part.added', { ...where, part: { type: 'summary_text', text: '' } });
      grow('response.reasoning_summary_text.delta', where, reasoning);
      say('response.reasoning_summary_text.done', { ...where, text: whole });
      say('response.reasoning_summary_part.done', { ...where, part: { type: 'summary_text', text: whole } });
      say('response.output_item.done', { output_index: output, item: reasoningItem(whole) });
    }
    output++;
    const where = { item_id: itemId('msg', 0), output_index: output, content_index: 0 };
    say('response.output_item.added', { output_index: output, item: messageItem([], 'in_progress') });
    say('response.content_part.added', { ...where, part: outputText('') });
    grow('response.output_text.delta', { ...where, logprobs: [] }, text);
    say('response.output_text.done', { ...where, text: joined(text), logprobs: [] });
    say('response.content_part.done', { ...where, part: outputText(joined(text)) });
    say('response.output_item.done', { output_index: output, item: messageItem([outputText(joined(text))], 'completed') });
    for (const [at, { name, pieces }] of calls.entries()) {
      output++;
      const of = { item_id: itemId('fc', at), output_index: output };
      say('response.output_item.added', { output_index: output, item: callItem(name, at, '') });
      grow('response.function_call_arguments.delta', of, pieces);
      say('response.function_call_arguments.done', { ...of, arguments: joined(pieces) });
      say('response.output_item.done', { output_index: output, item: callItem(name, at, joined(pieces)) });
    }
    say('response.completed', { response: this.whole(said) });
    return events;
  },
  whole: ({ reasoning, text, calls }) =>
    responseOf('completed', [
      ...(reasoning.length > 0 ? [reasoningItem(joined(reasoning))] : []),
      messageItem([outputText(joined(text))], 'completed'),
      ...calls.map(({ name, pieces }, at) => callItem(name, at, joined(pieces))),
    ]),
};
