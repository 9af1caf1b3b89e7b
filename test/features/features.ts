/**
 * What becomes of each feature of the contract with each provider of the catalog, found out by writing the request:
 * nothing here is claimed that the wires do not do.
 */
import { wholeText } from '../../src/core/json-pieces.ts';
import { GatewayError } from '../../src/core/error.ts';
import type { ChatRequest } from '../../src/core/chat.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { wires } from '../../src/protocols/index.ts';
import type { Prepared, Wire, WireTarget } from '../../src/protocols/wire.ts';
import { planProviders } from '../../src/providers/configured.ts';
import { CATALOG } from '../../src/providers/catalog.ts';
import type { ProviderRow } from '../../src/providers/row.ts';

/** As it is, in other words, done by us, a hint that changes no request, left out and named in the header, refused with a 400. */
export type Outcome = 'native' | 'translated' | 'ours' | 'hint' | 'reported' | 'refused';

type Body = Readonly<Record<string, unknown>>;

export interface Feature {
  readonly name: string;
  readonly body: Body;
  /** The path that is reported where the provider has nothing like it. */
  readonly path?: string;
  /** Done by the caller of a wire that says no here. */
  /** May be left out in silence: it is for us, or the provider does as much unasked. */
  readonly hint?: true;
  /** The same without what the feature asks for; else `body` without the field that `path` names. */
  readonly without?: Body;
  readonly ask?: (wire: Wire, target: WireTarget) => boolean;
}

const user = (content: unknown): Body => ({ messages: [{ role: 'user', content }] });
const HI = user('Hi');
const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const TOOL = { type: 'function', function: { name: 'get_weather', description: 'The weather.', parameters: PARAMETERS } };
const CALL = { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } };
const PNG = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const PDF = `data:application/pdf;base64,${Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64')}`;
const JSON_SCHEMA = { type: 'json_schema', json_schema: { name: 'place', schema: PARAMETERS, strict: true } };

export const FEATURES: readonly Feature[] = [
  { name: 'system message', body: { messages: [{ role: 'system', content: 'Be brief.' }, ...(HI['messages'] as object[])] } },
  { name: 'developer message', body: { messages: [{ role: 'developer', content: 'Be brief.' }, ...(HI['messages'] as object[])] } },
  { name: 'name of a speaker', body: { messages: [{ role: 'user', name: 'ada', content: 'Hi' }] }, path: 'messages[0].name' },
  { name: 'prefilled answer', body: { messages: [...(HI['messages'] as object[]), { role: 'assistant', content: 'Well' }] } },
  { name: 'image as data', body: user([{ type: 'image_url', image_url: { url: PNG } }]) },
  {
    name: 'image by URL',
    body: user([{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }]),
    ask: (wire, target) => wire.imageUrls(target),
  },
  {
    name: 'PDF',
    body: user([
      { type: 'text', text: 'Read.' },
      { type: 'file', file: { filename: 'a.pdf', file_data: PDF } },
    ]),
  },
  { name: 'audio', body: user([{ type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } }]) },
  { name: 'tools', body: { ...HI, tools: [TOOL] } },
  {
    name: 'results of tools',
    body: {
      messages: [
        ...(HI['messages'] as object[]),
        { role: 'assistant', tool_calls: [CALL] },
        { role: 'tool', tool_call_id: 'call_1', content: 'sun' },
      ],
      tools: [TOOL],
    },
  },
  {
    name: 'strict tools',
    body: { ...HI, tools: [{ ...TOOL, function: { ...TOOL.function, strict: true } }] },
    path: 'tools[0].function.strict',
  },
  { name: 'tool_choice: required', body: { ...HI, tools: [TOOL], tool_choice: 'required' }, path: 'tool_choice' },
  {
    name: 'tool_choice: a function',
    body: { ...HI, tools: [TOOL], tool_choice: { type: 'function', function: { name: 'get_weather' } } },
    path: 'tool_choice',
  },
  { name: 'tool_choice: none', body: { ...HI, tools: [TOOL], tool_choice: 'none' }, path: 'tool_choice' },
  { name: 'parallel_tool_calls: false', body: { ...HI, tools: [TOOL], parallel_tool_calls: false }, path: 'parallel_tool_calls' },
  { name: 'custom tools', body: { ...HI, tools: [{ type: 'custom', custom: { name: 'sql' } }] } },
  { name: 'functions (deprecated)', body: { ...HI, functions: [TOOL.function] } },
  { name: 'json_object', body: { ...user('JSON, please'), response_format: { type: 'json_object' } }, path: 'response_format' },
  { name: 'json_schema', body: { ...HI, response_format: JSON_SCHEMA }, path: 'response_format' },
  { name: 'json_schema and tools', body: { ...HI, tools: [TOOL], response_format: JSON_SCHEMA }, path: 'response_format' },
  { name: 'reasoning_effort', body: { ...HI, reasoning_effort: 'low' }, path: 'reasoning_effort' },
  { name: 'verbosity', body: { ...HI, verbosity: 'low' }, path: 'verbosity' },
  { name: 'n', body: { ...HI, n: 2 }, ask: (wire, target) => wire.severalChoices(target) },
  { name: 'max_completion_tokens', body: { ...HI, max_completion_tokens: 100 }, path: 'max_completion_tokens' },
  { name: 'temperature', body: { ...HI, temperature: 0.5 }, path: 'temperature' },
  { name: 'temperature 2', body: { ...HI, temperature: 2 }, path: 'temperature' },
  { name: 'top_p', body: { ...HI, top_p: 0.5 }, path: 'top_p' },
  { name: 'stop', body: { ...HI, stop: ['\n\n', 'END', 'a', 'b'] }, path: 'stop' },
  { name: 'frequency_penalty', body: { ...HI, frequency_penalty: 0.5 }, path: 'frequency_penalty' },
  { name: 'presence_penalty', body: { ...HI, presence_penalty: 0.5 }, path: 'presence_penalty' },
  { name: 'seed', body: { ...HI, seed: 7 }, path: 'seed' },
  { name: 'logit_bias', body: { ...HI, logit_bias: { '50': -100 } }, path: 'logit_bias' },
  { name: 'logprobs', body: { ...HI, logprobs: true, top_logprobs: 2 }, path: 'logprobs', without: HI },
  { name: 'user', body: { ...HI, user: 'u1' }, path: 'user', hint: true },
  { name: 'metadata', body: { ...HI, metadata: { team: 'a' } }, path: 'metadata' },
  { name: 'service_tier', body: { ...HI, service_tier: 'flex' }, path: 'service_tier' },
  { name: 'web_search_options', body: { ...HI, web_search_options: {} }, path: 'web_search_options' },
  { name: 'prompt_cache_key', body: { ...HI, prompt_cache_key: 'k' }, path: 'prompt_cache_key' },
  {
    name: 'cache marks',
    body: user([{ type: 'text', text: 'long', cache_control: { type: 'ephemeral' } }]),
    hint: true,
    without: user([{ type: 'text', text: 'long' }]),
  },
];

export interface Subject {
  readonly row: ProviderRow;
  readonly model: string;
  readonly wire: Wire;
  readonly target: WireTarget;
}

/** A model of each row that stands for the row; the answers may differ for others. */
const MODELS: Readonly<Record<string, string>> = {
  openai: 'gpt-4o',
  azure: 'gpt-4o',
  anthropic: 'claude-sonnet-4-5',
  google: 'gemini-2.5-flash',
  vertex: 'gemini-2.5-flash',
  bedrock: 'anthropic.claude-sonnet-4-5-20250929-v1:0',
  cohere: 'command-a-03-2025',
};

/** Every row of the catalog, with a model to try. */
export function subjects(): readonly Subject[] {
  return CATALOG.map((row) => {
    const names = Object.keys(row.variables ?? {});
    const variables = Object.fromEntries(
      names.filter((name) => name !== 'host').map((name) => [name, name === 'endpoint' ? 'https://x.example' : 'x']),
    );
    const { providers, problems } = planProviders({ [row.id]: { key: 'k', variables } }, {});
    const [planned] = providers;
    if (!planned) throw new Error(`${row.id}: ${problems[0]?.message}`);
    const model = MODELS[row.id] ?? 'some-model';
    const target: WireTarget = {
      provider: row.id,
      upstreamModel: model,
      model: `${row.id}/${model}`,
      baseUrl: planned.baseUrl,
      quirks: planned.speaks.quirks ?? {},
      facts: { maxOutputTokens: 8192 },
    };
    return { row, model, wire: wires[planned.speaks.wire], target };
  });
}

const parse = (body: Body): ChatRequest => parseChatRequest({ model: 'm', ...body }, { strict: true });

/** Writes the request of a body. */
export function written({ wire, target }: Subject, body: Body): Prepared {
  return wire.prepare(parse(body), target, { id: 'chatcmpl-x', created: 0 });
}

export function outcomeOf(subject: Subject, feature: Feature): Outcome {
  const { wire, target } = subject;
  if (feature.ask && !feature.ask(wire, target)) return 'ours';
  let prepared: Prepared;
  try {
    prepared = written(subject, feature.body);
  } catch (error) {
    if (error instanceof GatewayError && error.status === 400) return 'refused';
    throw error;
  }
  const { ignored, call } = prepared;
  if (feature.path !== undefined && ignored.some((path) => path === feature.path || path.startsWith(`${feature.path}.`))) return 'reported';
  if (prepared.reshape.length > written(subject, HI).reshape.length) return 'ours';
  if (feature.hint && call.body === written(subject, plainOf(feature)).call.body) return 'hint';
  const sent = JSON.parse(wholeText(call.body));
  const asked = Object.entries(feature.body);
  return asked.every(([key, value]) => JSON.stringify(sent[key]) === JSON.stringify(value)) ? 'native' : 'translated';
}

/** The request without what the feature asks for. */
export function plainOf({ body, path = '', without }: Feature): Body {
  if (without) return without;
  const field = path.split(/[.[]/)[0] ?? '';
  return Object.fromEntries(Object.entries(body).filter(([key]) => key !== field));
}

const SIGNS: Readonly<Record<Outcome, string>> = { native: '●', translated: '◐', ours: '◆', hint: '·', reported: '○', refused: '–' };

const WIRES: Readonly<Record<string, string>> = {
  'openai-chat': 'chat completions',
  'openai-responses': 'Responses',
  'anthropic-messages': 'Messages',
  gemini: 'generateContent',
  'bedrock-converse': 'Converse',
  'cohere-chat': 'Cohere v2',
};

/** The page `docs/features.md`, whole. */
export function featuresPage(): string {
  const all = subjects();
  const groups = Array.from({ length: Math.ceil(all.length / 8) }, (_, index) => all.slice(index * 8, index * 8 + 8));
  return [
    '# What each provider can do',
    '',
    'What becomes of every feature of the chat completions API with every provider of the catalog. This page is made by',
    '`node scripts/features.mjs` from the requests that Parlance would send, and a test compares the two: it cannot promise more',
    'than the code does. Whether a certain model supports a feature is the provider’s to say.',
    '',
    '| sign | meaning |',
    '|---|---|',
    '| ● | native: the provider gets the field as the client wrote it |',
    '| ◐ | translated: the provider has it in other words |',
    '| ◆ | done by Parlance: several requests for `n`, stop strings watched, images fetched, an answer made from a tool call |',
    '| · | not sent: `user` stays with Parlance’s own records, and a prompt is cached without marks where the provider caches at all |',
    '| ○ | impossible there, and left out: the response names it in `x-parlance-ignored-params` (with `strict`, a 400) |',
    '| – | impossible there, and refused with a 400 that names the part |',
    '',
    'For all of them alike: streams with the usage at their end, refusals, stop reasons and errors in OpenAI’s words, reasoning as',
    '`reasoning_content`, citations as `annotations`, cached tokens in the usage where the provider tells.',
    '',
    ...groups.flatMap((group) => [
      `| | ${group.map(({ row }) => row.name).join(' | ')} |`,
      `|---|${group.map(() => ':-:|').join('')}`,
      `| *protocol* | ${group.map(({ row }) => WIRES[row.speaks.wire]).join(' | ')} |`,
      ...FEATURES.map((feature) => `| ${feature.name} | ${group.map((subject) => SIGNS[outcomeOf(subject, feature)]).join(' | ')} |`),
      '',
    ]),
  ].join('\n');
}
