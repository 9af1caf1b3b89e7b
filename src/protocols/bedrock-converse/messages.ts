/**
 * A conversation as Converse takes it: the system prompt apart, then turns of user and assistant in alternation, the
 * user's first, none of them empty. Results of tools are the user's.
 */
import type { Block, CacheMark, ChatRequest, Message } from '../../core/chat.ts';
import { assertNever } from '../../core/event.ts';
import { fields, list } from '../json.ts';
import { customInput } from '../reshape/custom-tools.ts';
import { cachePoint, isBlank, replayed, textContent } from './content.ts';
import type { Content, Turn } from './content.ts';
import { audioContent, documentNames, fileContent, imageContent } from './media.ts';
import type { BedrockQuirks } from './quirks.ts';
import { createToolIds, toolName } from './tool-ids.ts';

export interface Conversation {
  readonly system: Content[];
  readonly messages: readonly Turn[];
}

export interface ConversationRules {
  readonly provider: string;
  readonly quirks: BedrockQuirks;
  /** The model cannot go on with an answer that was begun. */
  readonly endWithUser: boolean;
  /** Sentences of ours for the end of the system prompt. */
  readonly instructions: readonly string[];
  /** Collects the paths of what has no place. */
  readonly ignored: string[];
}

/** Where a turn has to be and there is nothing to say: text must not be blank. */
const FILLER = '.';

/** Throws `unsupported_value` for parts that Converse has no form for. */
export function writeConversation(request: ChatRequest, rules: ConversationRules): Conversation {
  const { quirks, ignored } = rules;
  const system: Content[] = [];
  const turns = createTurns(quirks.toolResultsAlone === true);
  const parts = createParts(request, rules);
  for (const [index, message] of request.messages.entries()) {
    if (message.name !== undefined) ignored.push(`messages[${index}].name`);
    const content = parts(message, index);
    if (message.role === 'system' || message.role === 'developer') system.push(...content);
    else turns.add(message.role === 'assistant' ? 'assistant' : 'user', content);
  }
  system.push(...rules.instructions.map((text) => ({ text })));
  if (quirks.noSystem) turns.open(system.splice(0));
  return { system, messages: turns.end(rules.endWithUser) };
}

/** The blocks of each message, one after the other: ids of calls and names of documents depend on those before. */
function createParts(request: ChatRequest, { provider, quirks, ignored }: ConversationRules) {
  const names = documentNames();
  const ids = createToolIds(quirks.shortToolIds === true);

  return (message: Message, index: number): Content[] => {
    if (message.role === 'tool') return toolResult(message, index);
    if (message.role === 'assistant') ids.turn();
    return message.blocks.flatMap((block, place) => {
      const content = written(block);
      return content.length === 0 ? [] : [...content, ...marked(block, index, place)];
    });
  };

  function written(block: Block): Content[] {
    switch (block.type) {
      case 'text':
      case 'refusal':
        return textContent(block.text);
      case 'image':
        if (block.detail && block.detail !== 'auto') ignored.push(`${block.at}.image_url.detail`);
        return [imageContent(block)];
      case 'audio':
        return [audioContent(block)];
      case 'file':
        return [fileContent(block, names)];
      case 'reasoning': {
        const kept = replayed(block.state, provider);
        if (kept.length > 0 || !quirks.plainReasoning || isBlank(block.text)) return kept;
        return [{ reasoningContent: { reasoningText: { text: block.text } } }];
      }
      case 'tool_call':
        return [{ toolUse: { toolUseId: ids.call(block.id), name: toolName(block.name), input: inputOf(block) } }];
      case 'opaque':
        return replayed(block.state, provider);
      case 'speech':
        return textContent(block.transcript);
      default:
        return assertNever(block);
    }
  }

  function toolResult(message: Message, index: number): Content[] {
    const content = message.blocks.flatMap(written);
    const mark = message.blocks.flatMap((block, place) => marked(block, index, place));
    const toolUseId = ids.result(message.toolCallId ?? '');
    return [{ toolResult: { toolUseId, content: resultContent(content) } }, ...mark.slice(-1)];
  }

  function resultContent(content: readonly Content[]): readonly Content[] {
    const texts = content.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
    if (quirks.jsonToolResults) return [{ json: asObject(texts) ?? { output: texts } }];
    return content.length > 0 ? content : [{ text: '(no output)' }];
  }

  function marked(block: Block, index: number, place: number): Content[] {
    const cache: CacheMark | undefined = 'cache' in block ? block.cache : undefined;
    if (!cache) return [];
    if (quirks.caching) return [cachePoint(cache, quirks.cacheTtl === true)];
    ignored.push(`messages[${index}].content[${place}].${markName(request, index, place)}`);
    return [];
  }
}

/** The client's spelling of a mark on this part. */
function markName(request: ChatRequest, index: number, place: number): string {
  const part = fields(list(fields(list(request.raw.messages)[index]).content)[place]);
  return part.cache_control ? 'cache_control' : 'prompt_cache_breakpoint';
}

function asObject(text: string): Content | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Content) : undefined;
  } catch {
    return undefined;
  }
}

/** The arguments of an earlier call; Converse takes an object and nothing else, so what is none is put into one. */
function inputOf({ kind, input }: Extract<Block, { type: 'tool_call' }>): Content {
  const json = kind === 'custom' ? customInput(input) : input;
  return asObject(json) ?? (isBlank(json) ? {} : { input: json });
}

interface Turns {
  add(role: Turn['role'], content: readonly Content[]): void;
  /** Puts this before all that the user said. */
  open(content: readonly Content[]): void;
  end(endWithUser: boolean): Turn[];
}

/** `alone`: a turn with results of tools holds nothing else. */
function createTurns(alone: boolean): Turns {
  const turns: Turn[] = [];
  const holdsResults = (content: readonly Content[]): boolean => content.some((block) => 'toolResult' in block);
  const start = (role: Turn['role'], content: readonly Content[]): void => {
    turns.push({ role, content: [...content] });
  };

  return {
    add(role, content) {
      if (content.length === 0) return;
      const last = turns.at(-1);
      if (!last && role === 'assistant') start('user', [{ text: FILLER }]);
      if (last?.role !== role) return start(role, content);
      if (alone && role === 'user' && holdsResults(last.content) !== holdsResults(content)) {
        start('assistant', [{ text: FILLER }]);
        return start(role, content);
      }
      last.content.push(...content);
    },
    open(content) {
      const first = turns[0];
      if (content.length > 0 && first) first.content.unshift(...content);
      else if (content.length > 0) start('user', content);
    },
    end(endWithUser) {
      trimLast(turns);
      if (turns.length === 0) start('user', [{ text: FILLER }]);
      if (endWithUser && turns.at(-1)?.role === 'assistant') start('user', [{ text: 'Continue.' }]);
      for (const { content } of turns) nameDocuments(content);
      return turns;
    },
  };
}

/** An answer that was begun must not end with white space. */
function trimLast(turns: Turn[]): void {
  const last = turns.at(-1);
  const block = last?.content.at(-1);
  if (last?.role !== 'assistant' || typeof block?.text !== 'string') return;
  last.content.splice(-1, 1, { text: block.text.trimEnd() });
}

/** A turn with a document must say something as well. */
function nameDocuments(content: Content[]): void {
  const documents = content.flatMap(({ document }) => (document === undefined ? [] : [fields(document).name]));
  if (documents.length > 0 && !content.some((block) => 'text' in block)) content.push({ text: documents.join(', ') });
}
