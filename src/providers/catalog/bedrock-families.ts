/**
 * What the families of models on Bedrock take of the Converse API. From the user guide's pages on inference parameters,
 * tool use, prompt caching, structured outputs and extended thinking, and from refusals that others reported (2026-11).
 * Ids stand behind places and makers: `us.anthropic.claude-…`, or at the end of an ARN.
 */
import type { BedrockQuirks, ReasoningQuirk } from '../../protocols/bedrock-converse/quirks.ts';
import type { ModelRule } from '../row.ts';

/** The first rule that fits counts: the newest and the narrowest stand first. */
export const BEDROCK_FAMILIES: readonly ModelRule[] = [
  ...claude(),
  family(/nova-2/, { reasoning: { form: 'config' }, bareToolSchema: true, caching: 'messages', searchTool: 'nova_grounding', maxStops: 4 }),
  family(/nova-premier/, { rawThinking: true, bareToolSchema: true, caching: 'messages', searchTool: 'nova_grounding', maxStops: 4 }),
  family(/nova-/, { rawThinking: true, bareToolSchema: true, caching: 'messages', maxStops: 4 }),
  family(/gpt-oss/, { reasoning: { form: 'field', alwaysOn: true }, maxStops: 0 }),
  family(/openai\.gpt-/, {
    reasoning: { form: 'object', efforts: ['none', 'low', 'medium', 'high', 'xhigh'] },
    sampling: 'none',
    maxStops: 0,
  }),
  family(/mistral-7b|mixtral/, { noSystem: true, toolChoice: 'auto', shortToolIds: true }),
  family(/mistral\./, { toolChoice: 'any', shortToolIds: true }),
  family(/meta\.llama|cohere\.|ai21\.|writer\.|google\.gemma/, { toolChoice: 'auto' }),
  family(/titan-text/, { noSystem: true }),
  family(/deepseek\.r1/, { toolChoice: 'auto' }),
  family(/kimi-k2-thinking/, { rawThinking: true }),
];

function family(match: RegExp, quirks: BedrockQuirks): ModelRule {
  return { match, speaks: { wire: 'bedrock-converse', quirks } };
}

function claude(): readonly ModelRule[] {
  const all: BedrockQuirks = { nativeToolChoice: true, caching: 'all' };
  const budget: BedrockQuirks = { ...all, reasoning: { form: 'budget' } };
  const since45: BedrockQuirks = { ...budget, sampling: 'one', strictTools: true, cacheTtl: true };
  const levels: ReasoningQuirk = { form: 'adaptive', efforts: ['low', 'medium', 'high', 'max'] };
  const since46: BedrockQuirks = { ...since45, reasoning: levels, noPrefill: true };
  // Bedrock holds these against an older schema of theirs: neither strict tools nor JSON formats pass
  const since47: BedrockQuirks = {
    ...all,
    cacheTtl: true,
    noPrefill: true,
    sampling: 'none',
    reasoning: { form: 'adaptive', display: true },
  };
  const since5: BedrockQuirks = { ...since47, reasoning: { form: 'adaptive', display: true, onByDefault: true } };
  const always: BedrockQuirks = { ...since47, reasoning: { form: 'adaptive', display: true, alwaysOn: true } };
  return [
    family(/claude-(?:fable|mythos)-5-1|claude-opus-5-5/, { ...always, toolChoice: 'auto' }),
    family(/claude-(?:fable|mythos)/, always),
    family(/claude-sonnet-5-5/, { ...since5, toolChoice: 'auto' }),
    family(/claude-[a-z]+-5/, since5),
    family(/claude-opus-4-[78]/, since47),
    family(/claude-opus-4-6/, { ...since46, jsonSchema: true }),
    family(/claude-sonnet-4-6/, since46),
    family(/claude-(?:opus|sonnet)-4-5/, { ...since45, jsonSchema: true }),
    family(/claude-haiku-4-5/, since45),
    family(/claude-opus-4-1/, { ...budget, sampling: 'one' }),
    family(/claude-(?:opus|sonnet)-4-|claude-3-7/, budget),
    family(/claude-3-5-haiku/, { ...all, latencyOptimized: true }),
    family(/claude-3-5-sonnet-20241022/, all),
    family(/claude-3/, { nativeToolChoice: true }),
  ];
}
