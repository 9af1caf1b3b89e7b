/** The protocols that we speak to providers, by name. */
import { anthropicMessagesWire } from './anthropic-messages/call.ts';
import { bedrockConverseWire } from './bedrock-converse/call.ts';
import { cohereChatWire } from './cohere-chat/call.ts';
import { geminiWire } from './gemini/call.ts';
import { openaiChatWire } from './openai-chat/call.ts';
import { openaiResponsesWire } from './openai-responses/call.ts';
import type { Wire } from './wire.ts';

/** Each wire takes the quirks of its own kind; a row of the catalog pairs them. */
export const wires = {
  'openai-chat': openaiChatWire,
  'anthropic-messages': anthropicMessagesWire,
  gemini: geminiWire,
  'bedrock-converse': bedrockConverseWire,
  'openai-responses': openaiResponsesWire,
  'cohere-chat': cohereChatWire,
} as const satisfies Readonly<Record<string, Wire<never>>>;
