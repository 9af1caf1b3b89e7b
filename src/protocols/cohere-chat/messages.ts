/** A conversation as Cohere takes it. */
import type { Block, ImageBlock, Message, ToolCallBlock } from '../../core/chat.ts';
import { textOf } from '../../core/chat.ts';
import { assertNever } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { fields, text } from '../json.ts';
import { customInput } from '../reshape/custom-tools.ts';

type Body = Readonly<Record<string, unknown>>;

/** What a block of reasoning holds for its own provider: thinking, or the plan that comes before calls. */
export type Thought = { readonly thinking: string } | { readonly tool_plan: string };

/**
 * The messages for `provider`, whose own reasoning goes back to it; names have no place and are in `ignored`. Messages
 * with nothing in them are left out. Throws `unsupported_value` for audio and files.
 */
export function writeMessages(messages: readonly Message[], provider: string, ignored: string[]): Body[] {
  return messages.flatMap((message, index) => {
    if (message.name !== undefined) ignored.push(`messages[${index}].name`);
    switch (message.role) {
      case 'system':
      case 'developer':
        return systemTurn(message);
      case 'user':
        return userTurn(message);
      case 'assistant':
        return assistantTurn(message, provider);
      case 'tool':
        // an empty result is refused
        return [{ role: 'tool', tool_call_id: message.toolCallId ?? '', content: textOf(message.blocks) || '{}' }];
      default:
        return assertNever(message.role);
    }
  });
}

function systemTurn({ blocks }: Message): Body[] {
  const content = blocks.flatMap(textPart);
  return content.length === 0 ? [] : [{ role: 'system', content: shortest(content) }];
}

function userTurn({ blocks }: Message): Body[] {
  const content = blocks.flatMap(userPart);
  return content.length === 0 ? [] : [{ role: 'user', content: shortest(content) }];
}

/** One text needs no list. */
function shortest(content: readonly Body[]): string | readonly Body[] {
  const [first] = content;
  return content.length === 1 && typeof first?.['text'] === 'string' ? first['text'] : content;
}

function textPart(block: Block): Body[] {
  return block.type === 'text' && block.text !== '' ? [{ type: 'text', text: block.text }] : [];
}

function userPart(block: Block): Body[] {
  if (block.type === 'image') return [imagePart(block)];
  if (block.type === 'audio' || block.type === 'file') {
    const what = block.type === 'audio' ? 'audio' : 'files';
    const message = `Invalid '${block.at}': this model takes no ${what}. Expected parts of type 'text' or 'image_url'.`;
    throw new GatewayError('unsupported_value', message, { param: block.at });
  }
  return textPart(block);
}

function imagePart({ url, detail }: ImageBlock): Body {
  return { type: 'image_url', image_url: { url, ...(detail ? { detail } : {}) } };
}

/** What an assistant says before its calls is their plan, where it has no plan of its own. */
function assistantTurn({ blocks }: Message, provider: string): Body[] {
  const content: Body[] = [];
  let plan = '';
  for (const block of blocks) {
    if (block.type === 'reasoning' && block.state?.owner === provider) {
      const { thinking, tool_plan: planned } = fields(block.state.data);
      if (text(thinking)) content.push({ type: 'thinking', thinking });
      plan += text(planned) ?? '';
    }
    if (block.type === 'text' || block.type === 'refusal') content.push(...textPart({ type: 'text', text: block.text }));
  }
  const calls = blocks.filter((block) => block.type === 'tool_call').map(writeCall);
  if (calls.length === 0) {
    if (plan !== '') content.unshift({ type: 'thinking', thinking: plan });
    return content.length === 0 ? [] : [{ role: 'assistant', content: shortest(content) }];
  }
  const said = plan === '' ? content.filter(({ type }) => type === 'text') : [];
  const rest = content.filter((part) => !said.includes(part));
  const words = plan || said.map((part) => part['text']).join('');
  return [
    {
      role: 'assistant',
      ...(rest.length > 0 ? { content: rest } : {}),
      ...(words === '' ? {} : { tool_plan: words }),
      tool_calls: calls,
    },
  ];
}

function writeCall({ id, kind, name, input }: ToolCallBlock): Body {
  const json = kind === 'custom' ? customInput(input) : input.trim() || '{}';
  return { id, type: 'function', function: { name, arguments: json } };
}
