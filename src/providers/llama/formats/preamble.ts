/** What a model is told in words, where its template has no words for it. */
import type { ChatRequest, ResponseFormat } from '../../../core/chat.ts';
import { argumentObject, nameOf, type TemplateMessage, type Turn } from './messages.ts';
import { toldSchema } from './told-schema.ts';
import { forTemplate, type OfferedTool, type ToolOffer } from './tools.ts';

/** How a call is shown to the model, per family whose template does not show it. */
const CALL_SAMPLES: Readonly<Record<string, string>> = {
  generic: '<tool_call>\n{"name": "<name of the function>", "arguments": <its arguments as a JSON object>}\n</tool_call>',
  'deepseek-r1':
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜><name of the function>\n```json\n<its arguments as a JSON object>\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  'deepseek-v3.1':
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜><name of the function><｜tool▁sep｜><its arguments as a JSON object><｜tool▁call▁end｜><｜tool▁calls▁end｜>',
};

/** A system text that lists tools and says how to call them; empty where there are none. `family` is a family's id. */
export function toolPreamble(offer: ToolOffer, family: string): string {
  if (offer.told.length === 0) return '';
  const sample = CALL_SAMPLES[family] ?? CALL_SAMPLES['generic'] ?? '';
  const lines = [
    'You can call functions. Each line here describes one, its parameters as a JSON Schema:',
    '<tools>',
    ...offer.told.map(lineOf),
    '</tools>',
    '',
    'To call a function, write exactly this and nothing else:',
    sample,
    `${offer.most === 'many' ? 'You may make several calls, one after the other. ' : ''}${mustOrMay(offer)}`,
    'The results come back to you, and then you answer.',
  ];
  return lines.join('\n');
}

function lineOf(tool: OfferedTool): string {
  const { name, description, parameters } = forTemplate(tool).function;
  return `{"name":${JSON.stringify(name)},"description":${JSON.stringify(description)},"parameters":${toldSchema(parameters, tool.strict)}}`;
}

function mustOrMay({ must, callable, told }: ToolOffer): string {
  const names = callable.map((tool) => tool.name).join(', ');
  if (must === 'call') return `You must call ${callable.length === 1 ? names : `one of: ${names}`} now.`;
  if (callable.length < told.length) return `You may call only these now: ${names}. Without need of one, answer in plain text.`;
  return 'If no function is needed, answer in plain text.';
}

/** The schema that an answer is held to: the grammar alone cannot tell a model what the members mean. */
export function formatPreamble(format: ResponseFormat, harmony: boolean): string {
  if (format.type !== 'json_schema') return '';
  const { name, description, schema } = format;
  const text = toldSchema(schema, format.strict && !harmony);
  if (harmony)
    return ['# Response Formats', '', `## ${name}`, '', ...(description === undefined ? [] : [`// ${description}`]), text].join('\n');
  return [`Answer with JSON only${description === undefined ? '' : ` (${name}: ${description})`}, following this JSON Schema:`, text].join(
    '\n',
  );
}

/** Calls and results of earlier turns as plain text, for a template that has no place for them. */
export function flattened(turns: readonly Turn[]): readonly Turn[] {
  const result: Turn[] = [];
  for (const turn of turns) {
    const { calls, ...rest } = turn;
    if (calls) {
      const written = calls.map(
        (call) => `<tool_call>\n${JSON.stringify({ name: call.name, arguments: argumentObject(call) })}\n</tool_call>`,
      );
      result.push({ ...rest, text: [turn.text, ...written].filter((text) => text !== '').join('\n') });
      continue;
    }
    if (turn.role !== 'tool') {
      result.push(turn);
      continue;
    }
    const text = `<tool_response>\n${JSON.stringify({ name: turn.toolName ?? turn.toolCallId, content: turn.text })}\n</tool_response>`;
    const last = result.at(-1);
    if (last?.toolCallId !== undefined) result[result.length - 1] = { ...last, text: `${last.text}\n${text}` };
    else result.push({ ...rest, role: 'user', text, toolCallId: turn.toolCallId ?? '' });
  }
  return result;
}

/** Flattened turns as messages: role and content, and nothing that a simple template would stumble over. */
export function plainMessages(turns: readonly Turn[], template: string, ignored: (path: string) => void): readonly TemplateMessage[] {
  const keepsReasoning = /\breasoning_content\b/.test(template);
  return turns.map((turn) => {
    const name = nameOf(turn, template, ignored);
    if (turn.reasoning !== undefined && !keepsReasoning) ignored(`messages[${turn.index}].reasoning_content`);
    const reasoning = turn.reasoning !== undefined && keepsReasoning ? { reasoning_content: turn.reasoning } : {};
    return { role: turn.role, content: turn.text, ...name, ...reasoning };
  });
}

/** Do earlier turns hold calls or their results? */
export function usesTools(request: ChatRequest): boolean {
  return request.messages.some((message) => message.role === 'tool' || message.blocks.some((block) => block.type === 'tool_call'));
}
