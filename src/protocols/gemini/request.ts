/** A request as generateContent takes it. */
import type { ChatRequest } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { fields, list, text } from '../json.ts';
import { stopAt } from '../reshape/stop-at.ts';
import type { Reshape, WireTarget } from '../wire.ts';
import { conversationOf } from './contents.ts';
import { thinkingFor, traitsOf } from './family.ts';
import type { Traits } from './family.ts';
import type { GeminiQuirks } from './quirks.ts';
import { signerOf } from './state.ts';
import { planTools } from './tools.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface Written {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Fields;
  readonly ignored: readonly string[];
  readonly reshape: readonly (() => Reshape)[];
  /** Answers may cite sources, which are told by their place in the whole text. */
  readonly searching: boolean;
}

/** Stop sequences it takes. */
const MOST_STOPS = 5;

export function writeRequest(request: ChatRequest, target: WireTarget<GeminiQuirks>): Written {
  const traits = traitsOf(target);
  const ignored = new Set<string>(request.extras);
  const ignore = (path: string): void => void ignored.add(path);
  const { systemInstruction, contents } = conversationOf(request, { ...traits, baseUrl: target.baseUrl, signer: signerOf(target) });
  const tools = planTools(request, {
    traits,
    plainOnly: target.facts.structuredOutput === false && target.facts.tools !== false,
    streamArguments: target.quirks.streamArguments === true,
    ignore,
  });
  const searching = tools.tools?.some((tool) => 'googleSearch' in tool) ?? false;
  if (searching) noteSearch(request, ignored);
  noteMessages(request, ignore);
  const stops = request.stop.filter((one) => one !== '');
  const rest = stops.slice(MOST_STOPS);
  const tier = serviceTier(request, traits);
  if (tier.served) ignored.delete('service_tier');
  const labels = traits.labels ? labelsOf(request, ignored) : {};
  const generationConfig = {
    ...sampling(request, { traits, ignore }),
    ...(stops.length > 0 ? { stopSequences: stops.slice(0, MOST_STOPS) } : {}),
    ...resolution(request, { traits, ignore }),
    ...speech(request, ignored),
    ...tools.format,
    ...thinking(request, { traits, ignore, model: target.upstreamModel }),
  };
  return {
    url: urlOf(target, request.stream),
    headers: { 'content-type': 'application/json', ...tier.headers },
    body: {
      contents,
      ...(systemInstruction ? { systemInstruction } : {}),
      ...(tools.tools ? { tools: tools.tools } : {}),
      ...(tools.toolConfig ? { toolConfig: tools.toolConfig } : {}),
      ...(Object.keys(generationConfig).length > 0 ? { generationConfig } : {}),
      ...tier.body,
      ...(Object.keys(labels).length > 0 ? { labels } : {}),
    },
    ignored: [...ignored],
    reshape: [...tools.reshape, ...(rest.length > 0 ? [() => stopAt(rest)] : [])],
    searching,
  };
}

/** Names with folders of their own (`tunedModels/x`, `endpoints/1`, `publishers/google/models/x`) stand as they are. */
function urlOf({ baseUrl, upstreamModel, quirks }: WireTarget<GeminiQuirks>, stream: boolean): string {
  const bare = upstreamModel.replace(/^models\//, '');
  const folder = quirks.vertex ? 'publishers/google/models/' : 'models/';
  const path = (bare.includes('/') ? bare : folder + bare).split('/').map(encodeURIComponent).join('/');
  return `${baseUrl}/${path}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`;
}

interface Notes {
  readonly traits: Traits;
  readonly ignore: (path: string) => void;
}

function sampling(request: ChatRequest, { traits, ignore }: Notes): Fields {
  const { temperature, topP, seed, presencePenalty, frequencyPenalty, logitBias } = request.sampling;
  if (logitBias) ignore('logit_bias');
  if (!request.parallelToolCalls && request.raw['parallel_tool_calls'] === false && request.tools.length > 0) ignore('parallel_tool_calls');
  if (request.verbosity !== undefined && request.verbosity !== 'medium') ignore('verbosity');
  const penalty = (name: string, path: string, value = 0): Fields => {
    if (value === 0) return {};
    if (traits.penalties) return { [name]: value };
    ignore(path);
    return {};
  };
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    // 32 bits are all it takes
    ...(seed === undefined ? {} : { seed: Number(BigInt.asIntN(32, BigInt(seed))) }),
    ...penalty('presencePenalty', 'presence_penalty', presencePenalty),
    ...penalty('frequencyPenalty', 'frequency_penalty', frequencyPenalty),
    ...(request.maxTokens === undefined ? {} : { maxOutputTokens: request.maxTokens }),
    ...(request.n > 1 ? { candidateCount: request.n } : {}),
    ...logprobs(request, { traits, ignore }),
  };
}

function logprobs({ logprobs: wanted }: ChatRequest, { traits, ignore }: Notes): Fields {
  if (!wanted) return {};
  if (traits.logprobs) return { responseLogprobs: true, ...(wanted.top > 0 ? { logprobs: wanted.top } : {}) };
  ignore('logprobs');
  if (wanted.top > 0) ignore('top_logprobs');
  return {};
}

function thinking(request: ChatRequest, { traits, ignore, model }: Notes & { readonly model: string }): Fields {
  const { config, ignored } = thinkingFor(model, traits.thinking, request.reasoningEffort);
  if (ignored) ignore('reasoning_effort');
  return config ? { thinkingConfig: config } : {};
}

/** One resolution holds for all media: it is told where all images ask for the same. */
function resolution({ messages }: ChatRequest, { traits, ignore }: Notes): Fields {
  const images = messages.flatMap(({ blocks }) => blocks.filter((block) => block.type === 'image'));
  const asked = images.filter(({ detail }) => detail === 'low' || detail === 'high');
  const [first] = asked;
  if (!first) return {};
  const agreed = asked.length === images.length && asked.every(({ detail }) => detail === first.detail);
  if (agreed && traits.mediaResolution) return { mediaResolution: `MEDIA_RESOLUTION_${first.detail === 'low' ? 'LOW' : 'HIGH'}` };
  for (const { at } of asked) ignore(`${at}.image_url.detail`);
  return {};
}

/** A spoken answer: raw samples of 16 bits at 24 kHz, which the contract calls pcm16. */
function speech({ raw }: ChatRequest, ignored: Set<string>): Fields {
  if (!list(raw['modalities']).includes('audio')) return {};
  const { format, voice } = fields(raw['audio']);
  if (format !== undefined && format !== 'pcm16') {
    const message = "Invalid 'audio.format': this model speaks in samples only. Expected 'pcm16'.";
    throw new GatewayError('unsupported_value', message, { param: 'audio.format' });
  }
  ignored.delete('modalities');
  ignored.delete('audio');
  const voiceName = text(voice) ?? text(fields(voice)['id']);
  const config = voiceName === undefined ? {} : { speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName } } } };
  return { responseModalities: ['AUDIO'], ...config };
}

interface Tier {
  readonly served: boolean;
  readonly body: Fields;
  readonly headers: Readonly<Record<string, string>>;
}

/** A field on the Gemini API, a header on Vertex AI. */
function serviceTier({ raw }: ChatRequest, { vertex }: Traits): Tier {
  const tier = raw['service_tier'];
  if (tier !== 'flex' && tier !== 'priority') return { served: false, body: {}, headers: {} };
  if (vertex) return { served: true, body: {}, headers: { 'x-vertex-ai-llm-shared-request-type': tier } };
  return { served: true, body: { serviceTier: tier }, headers: {} };
}

const LABEL_KEY = /^[a-z][a-z0-9_-]{0,62}$/;
const LABEL_VALUE = /^[a-z0-9_-]{0,63}$/;

/** Metadata that keeps to the rules of labels; other pairs are named. */
function labelsOf({ raw }: ChatRequest, ignored: Set<string>): Fields {
  const pairs = Object.entries(fields(raw['metadata']));
  if (pairs.length === 0) return {};
  ignored.delete('metadata');
  const [good, bad] = [pairs.filter(isLabel), pairs.filter((pair) => !isLabel(pair))];
  for (const [key] of bad) ignored.add(`metadata.${key}`);
  return Object.fromEntries(good);
}

const isLabel = ([key, value]: readonly [string, unknown]): boolean =>
  LABEL_KEY.test(key) && typeof value === 'string' && LABEL_VALUE.test(value);

/** The search is what is asked for; how much of it and for where cannot be said. */
function noteSearch({ raw }: ChatRequest, ignored: Set<string>): void {
  ignored.delete('web_search_options');
  const { user_location: location, search_context_size: size } = fields(raw['web_search_options']);
  if (location !== undefined && location !== null) ignored.add('web_search_options.user_location');
  if (size === 'low' || size === 'high') ignored.add('web_search_options.search_context_size');
}

/** Names of those who speak have no place; a tool's name is the call's. */
function noteMessages({ messages }: ChatRequest, ignore: (path: string) => void): void {
  for (const [at, { name, toolName }] of messages.entries()) {
    if (name !== undefined && name !== toolName) ignore(`messages[${at}].name`);
  }
}
