/** The wires that are measured, each with a target of its own, and what they are to cost. */
import type { ChatRequest } from '../../src/core/chat.ts';
import { wires } from '../../src/protocols/index.ts';
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import type { Prepared, Wire, WireTarget } from '../../src/protocols/wire.ts';
import type { Form } from './form.ts';
import { chatForm, responsesForm } from './openai-forms.ts';
import { cohereForm, converseForm, geminiForm, messagesForm } from './other-forms.ts';

export interface Candidate {
  readonly name: string;
  readonly form: Form;
  /** Microseconds that an event may cost. */
  readonly aim: number;
  /** Fields that its requests have beside those that all have. */
  readonly asks?: Readonly<Record<string, unknown>>;
  prepare(request: ChatRequest): Prepared;
}

const REENCODED = 8;
const PASSED = 3;
const HEAD = { id: 'chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx', created: 1_770_000_000 };

function speak<Quirks>(wire: Wire<Quirks>, quirks: Quirks, upstreamModel: string): Candidate['prepare'] {
  const target: WireTarget<Quirks> = {
    provider: 'bench',
    upstreamModel,
    model: `bench/${upstreamModel}`,
    baseUrl: 'https://provider.example/v1',
    quirks,
    facts: { contextWindow: 200_000, maxOutputTokens: 64_000, reasoning: true, tools: true, structuredOutput: true },
  };
  return (request) => wire.prepare(request, target, HEAD);
}

export const CANDIDATES: readonly Candidate[] = [
  {
    name: 'openai-chat, passed through',
    form: chatForm,
    aim: PASSED,
    prepare: speak(wires['openai-chat'], { faithful: true, pads: true }, 'gpt-4.1-nano'),
  },
  { name: 'openai-chat', form: chatForm, aim: REENCODED, prepare: speak(wires['openai-chat'], FOLLOWER, 'qwen3-32b') },
  {
    name: 'openai-chat, with 2 steps',
    form: chatForm,
    aim: REENCODED,
    // thoughts may stand in the text, and we stop the answer ourselves
    asks: { stop: ['THE END', '###'] },
    prepare: speak(wires['openai-chat'], { ...FOLLOWER, thinkTags: true, stopStrings: 0 }, 'qwen3-32b'),
  },
  {
    name: 'anthropic-messages',
    form: messagesForm,
    aim: REENCODED,
    prepare: speak(wires['anthropic-messages'], {}, 'claude-haiku-4-5'),
  },
  { name: 'gemini', form: geminiForm, aim: REENCODED, prepare: speak(wires.gemini, {}, 'gemini-3.5-flash') },
  {
    name: 'bedrock-converse',
    form: converseForm,
    aim: REENCODED,
    prepare: speak(wires['bedrock-converse'], {}, 'anthropic.claude-haiku-4-5-20251001-v1:0'),
  },
  { name: 'openai-responses', form: responsesForm, aim: REENCODED, prepare: speak(wires['openai-responses'], {}, 'gpt-5.1-codex') },
  { name: 'cohere-chat', form: cohereForm, aim: REENCODED, prepare: speak(wires['cohere-chat'], {}, 'command-a-reasoning-08-2025') },
];
