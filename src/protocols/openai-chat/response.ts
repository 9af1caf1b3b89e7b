/** A finished answer, and the models that give answers, as OpenAI's clients expect them. */
import type { ModelCard } from '../../core/call.ts';
import type { Block, ChatRequest, ChatResponse, Choice, SpeechBlock, ToolCallBlock } from '../../core/chat.ts';
import { encodePricing } from './pricing.ts';
import { encodeState, shapeOf } from './provider-state.ts';
import { encodeAnnotation, encodeLogprobs, encodeUsage, finishReason, where, whereEmpty } from './wire.ts';

/** The body of a `chat.completion`. Without measured usage there is no `usage`: a number is never made up. */
export function encodeResponse(response: ChatResponse, request: ChatRequest): unknown {
  return {
    id: response.id,
    object: 'chat.completion',
    created: response.created,
    model: response.model,
    choices: response.choices.map((choice, index) => encodeChoice(choice, index, request)),
    ...(response.usage ? { usage: encodeUsage(response.usage) } : {}),
    ...where('service_tier', response.serviceTier),
    system_fingerprint: response.fingerprint ?? null,
  };
}

function encodeChoice(choice: Choice, index: number, request: ChatRequest) {
  const refusal = joined(choice.blocks, 'refusal');
  const text = joined(choice.blocks, 'text');
  const reasoning = joined(choice.blocks, 'reasoning');
  const calls = choice.blocks.filter((block) => block.type === 'tool_call').map((call) => withArguments(call, choice));
  const speech = choice.blocks.find((block) => block.type === 'speech');
  const silent = calls.length > 0 || refusal !== '' || speech !== undefined;
  return {
    index,
    message: {
      role: 'assistant',
      content: text === '' && silent ? null : text,
      refusal: refusal === '' ? null : refusal,
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...encodeCalls(calls, request.legacyFunctions),
      ...(choice.annotations ? { annotations: choice.annotations.map(encodeAnnotation) } : {}),
      ...(speech ? { audio: encodeSpeech(speech) } : {}),
      ...where('provider_state', encodeState(choice.blocks.map(shapeOf))),
    },
    logprobs: encodeLogprobs(choice.logprobs, text === '' && refusal !== '' ? 'refusal' : 'content'),
    finish_reason: finishReason(choice.reason, request, calls.length > 0),
  };
}

function joined(blocks: readonly Block[], type: 'text' | 'refusal' | 'reasoning'): string {
  return blocks.map((block) => (block.type === type ? block.text.toWellFormed() : '')).join('');
}

/** A call that a token limit cut off before its first argument stays empty: `{}` would look like a call to carry out. */
function withArguments(call: ToolCallBlock, choice: Choice): ToolCallBlock {
  if (call.input !== '') return { ...call, input: call.input.toWellFormed() };
  const cutOff = choice.reason === 'length' && call === choice.blocks.at(-1);
  return cutOff ? call : { ...call, input: whereEmpty(call.kind) };
}

function encodeCalls(calls: readonly ToolCallBlock[], legacy: boolean) {
  const [first] = calls;
  if (!first) return {};
  if (legacy) return { function_call: { name: first.name, arguments: first.input } };
  return { tool_calls: calls.map(encodeCall) };
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
