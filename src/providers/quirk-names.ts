/** The names of all quirks, for checking the configuration. The types see to it that none is missing and none is too many. */
import type { AnthropicQuirks } from '../protocols/anthropic-messages/quirks.ts';
import type { BedrockQuirks } from '../protocols/bedrock-converse/quirks.ts';
import type { CohereChatQuirks } from '../protocols/cohere-chat/quirks.ts';
import type { GeminiQuirks } from '../protocols/gemini/quirks.ts';
import type { OpenAIChatQuirks } from '../protocols/openai-chat/quirks.ts';
import type { OpenAIResponsesQuirks } from '../protocols/openai-responses/quirks.ts';
import type { WireName } from './row.ts';

type All<Quirks> = Readonly<Record<keyof Quirks, true>>;

const openaiChat: All<OpenAIChatQuirks> = {
  faithful: true,
  path: true,
  query: true,
  severalChoices: true,
  imageUrls: true,
  streamOptions: true,
  pads: true,
  maxTokens: true,
  accepts: true,
  refuses: true,
  renames: true,
  ranges: true,
  values: true,
  defaults: true,
  stopStrings: true,
  developerRole: true,
  joinsText: true,
  names: true,
  nullContent: true,
  parts: true,
  echoes: true,
  alternates: true,
  prefill: true,
  cacheMarks: true,
  reasoningBack: true,
  reasoningDetails: true,
  providerState: true,
  toolCallIdLength: true,
  tools: true,
  functions: true,
  customTools: true,
  strictTools: true,
  requiredChoice: true,
  noneChoice: true,
  namedChoice: true,
  allowedTools: true,
  schemaKeywords: true,
  jsonSchema: true,
  jsonObject: true,
  formatWithTools: true,
  efforts: true,
  thinkTags: true,
  omitsDone: true,
};

const openaiResponses: All<OpenAIResponsesQuirks> = {
  path: true,
  query: true,
  refuses: true,
  reasoningRefusesSampling: true,
  minOutputTokens: true,
  maxTopLogprobs: true,
  encryptedReasoning: true,
  plainReasoning: true,
  reasoningSummary: true,
  unstableItemIds: true,
  developerRole: true,
  imageUrls: true,
  parts: true,
  cacheMarks: true,
  schemaAsResponseFormat: true,
  ownItems: true,
  customTools: true,
  allowedTools: true,
  webSearch: true,
};

const anthropicMessages: All<AnthropicQuirks> = {
  platform: true,
  betas: true,
  urlSources: true,
  fileIds: true,
  structuredOutputs: true,
  webSearch: true,
  systemTurns: true,
  cacheMarks: true,
  serviceTiers: true,
  userIds: true,
  bindingControls: true,
  unsignedThinking: true,
  models: true,
};

const gemini: All<GeminiQuirks> = {
  vertex: true,
  thinking: true,
  severalChoices: true,
  imageUrls: true,
  callIds: true,
  logprobs: true,
  penalties: true,
  systemInstruction: true,
  toolsTogether: true,
  streamArguments: true,
  labels: true,
};

const bedrockConverse: All<BedrockQuirks> = {
  reasoning: true,
  rawThinking: true,
  plainReasoning: true,
  sampling: true,
  maxStops: true,
  echoesStop: true,
  toolChoice: true,
  nativeToolChoice: true,
  strictTools: true,
  bareToolSchema: true,
  jsonToolResults: true,
  toolResultsAlone: true,
  shortToolIds: true,
  jsonSchema: true,
  noSystem: true,
  noPrefill: true,
  caching: true,
  cacheTtl: true,
  searchTool: true,
  latencyOptimized: true,
  fields: true,
};

const cohereChat: All<CohereChatQuirks> = {
  path: true,
  imageUrls: true,
  thinking: true,
  toolChoice: true,
  strictTools: true,
  logprobs: true,
  thinkTags: true,
};

export const QUIRK_NAMES: Readonly<Record<WireName, readonly string[]>> = {
  'openai-chat': Object.keys(openaiChat),
  'openai-responses': Object.keys(openaiResponses),
  'anthropic-messages': Object.keys(anthropicMessages),
  gemini: Object.keys(gemini),
  'bedrock-converse': Object.keys(bedrockConverse),
  'cohere-chat': Object.keys(cohereChat),
};
