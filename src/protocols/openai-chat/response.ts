/** A finished answer, and the models that give answers, as OpenAI's clients expect them. */
import type { ModelCard } from '../../core/call.ts';
import type { ChatRequest, ChatResponse, Choice, SpeechBlock, ToolCallBlock } from '../../core/chat.ts';
import { encodePricing } from './pricing.ts';
import { encodeState, shapeOf } from './provider-state.ts';
import { encodeAnnotation, encodeLogprobs, encodeUsage, finishReason, where, whereEmpty } from './wire.ts';

/** The body of a `chat.completion`. Without measured usage there is no `usage`: a number is never made up. */
export function encodeResponse(response: ChatResponse, request: ChatRequest): unknown {
  const body: Record<string, unknown> = {
    id: response.id,
    object: 'chat.completion',
    created: response.created,
    model: response.model,
    choices: response.choices.map((choice, index) => encodeChoice(choice, index, request)),
  };
  if (response.usage) body['usage'] = encodeUsage(response.usage);
  if (response.serviceTier !== undefined) body['service_tier'] = response.serviceTier;
  body['system_fingerprint'] = response.fingerprint ?? null;
  return body;
}

function encodeChoice(choice: Choice, index: number, request: ChatRequest) {
  const { text, refusal, reasoning, calls, speech, stateful } = partsOf(choice);
  const silent = calls.length > 0 || refusal !== '' || speech !== undefined;
  const message: Record<string, unknown> = {
    role: 'assistant',
    content: text === '' && silent ? null : text,
    refusal: refusal === '' ? null : refusal,
  };
  if (reasoning !== '') message['reasoning_content'] = reasoning;
  const [first] = calls;
  if (first && request.legacyFunctions) message['function_call'] = { name: first.name, arguments: first.input };
  else if (first) message['tool_calls'] = calls.map(encodeCall);
  if (choice.annotations) message['annotations'] = choice.annotations.map(encodeAnnotation);
  if (speech) message['audio'] = encodeSpeech(speech);
  if (stateful) message['provider_state'] = encodeState(choice.blocks.map(shapeOf));
  return {
    index,
    message,
    logprobs: encodeLogprobs(choice.logprobs, text === '' && refusal !== '' ? 'refusal' : 'content'),
    finish_reason: finishReason(choice.reason, request, calls.length > 0),
  };
}

const NO_CALLS: readonly ToolCallBlock[] = Object.freeze([]);

/** What the blocks of a choice are in its message: texts of one kind joined, the calls, the first speech. */
function partsOf(choice: Choice) {
  let text = '';
  let refusal = '';
  let reasoning = '';
  let calls: ToolCallBlock[] | undefined;
  let speech: SpeechBlock | undefined;
  let stateful = false;
  for (const block of choice.blocks) {
    if ('state' in block && block.state) stateful = true;
    if (block.type === 'text') text += block.text.toWellFormed();
    else if (block.type === 'refusal') refusal += block.text.toWellFormed();
    else if (block.type === 'reasoning') reasoning += block.text.toWellFormed();
    else if (block.type === 'tool_call') (calls ??= []).push(withArguments(block, choice));
    else if (block.type === 'speech') speech ??= block;
  }
  return { text, refusal, reasoning, calls: calls ?? NO_CALLS, speech, stateful };
}

/** A call that a token limit cut off before its first argument stays empty: `{}` would look like a call to carry out. */
function withArguments(call: ToolCallBlock, choice: Choice): ToolCallBlock {
  if (call.input !== '') return { ...call, input: call.input.toWellFormed() };
  const cutOff = choice.reason === 'length' && call === choice.blocks.at(-1);
  return cutOff ? call : { ...call, input: whereEmpty(call.kind) };
}

function encodeCall({ id, kind, name, input }: ToolCallBlock) {
  if (kind === 'custom') return { id, type: 'custom', custom: { name, input } };
  return { id, type: 'function', function: { name, arguments: input } };
}

function encodeSpeech({ id, data, transcript, expiresAt }: SpeechBlock) {
  return { id, data, transcript, expires_at: expiresAt };
}

/** One model, with what it can do beside what every client knows. */
export function encodeModel(card: ModelCard) {
  const { capabilities } = card;
  return {
    id: card.id,
    object: 'model',
    created: card.created,
    owned_by: card.ownedBy,
    ...where('provider', card.provider),
    endpoints: card.endpoints,
    ...where('context_window', card.contextWindow),
    ...where('max_output_tokens', card.maxOutputTokens),
    capabilities: {
      ...where('tools', capabilities.tools),
      ...where('structured_output', capabilities.structuredOutput),
      ...where('logprobs', capabilities.logprobs),
      ...where('reasoning', capabilities.reasoning),
      ...where('input_modalities', capabilities.inputModalities),
      ...where('output_modalities', capabilities.outputModalities),
    },
    ...(card.pricing ? { pricing: encodePricing(card.pricing) } : {}),
    ...(card.details ? { details: card.details } : {}),
  };
}

export function encodeModels(cards: readonly ModelCard[]) {
  return { object: 'list', data: cards.map(encodeModel) };
}
