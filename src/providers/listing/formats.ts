/** Lists that are not like OpenAI's, and names that tell what a model is for. */
import { fields, flag, list, text } from '../../protocols/json.ts';
import type { ListedModel } from './model.ts';
import { firstTokens, known, modalities, seconds } from './model.ts';

/**
 * Names of models that do not chat: most lists tell no more of them than the name. Whole words, since `embed` may be a part
 * of a name that means something else.
 */
const NO_CHAT = new RegExp(
  `(^|[-_/.:@ ])(${[
    'embed\\w*|bge|e5|gte|minilm|rerank\\w*|colbert',
    'whisper\\w*|tts|asr|transcri\\w+|speech|voice|orpheus|canopylabs|kokoro|parakeet|canary|lyria|melotts|livetranslate|chirp\\w*',
    'dall-e|imagen?|gpt-image|chatgpt-image|flux\\w*|sdxl|stable-?diffusion\\w*|stability|sora|veo|wan\\d*|imagine|canvas|reel|hunyuan-?video|kling|seedream|seedance|titan-image\\w*',
    'moderation|guard\\w*|shieldgemma|reward|realtime|live|sonic|aqa|bidi|nvclip|ocr\\w*|parse|detector|segment\\w*',
    'gpt-3\\.5-turbo-instruct|babbage\\w*|davinci\\w*|twelvelabs|marengo|pegasus',
  ].join('|')})(?=$|[-_/.:@ ])`,
  'i',
);

/** Parts of names above that stand in names of models which do chat. */
const CHATS_AFTER_ALL = /gemini[\w.-]*-image|gpt-oss-safeguard/i;

export function chatsByName(id: string): boolean {
  return !NO_CHAT.test(id) || CHATS_AFTER_ALL.test(id);
}

export function readAnthropic(body: unknown): readonly ListedModel[] {
  return list(fields(body).data).map((item) => {
    const model = fields(item);
    const can = fields(model.capabilities);
    const able = (value: unknown) => flag(value) ?? flag(fields(value).supported);
    return {
      id: text(model.id) ?? '',
      ...known({
        name: text(model.display_name),
        created: seconds(model.created_at),
        ownedBy: 'anthropic',
        contextWindow: firstTokens(model.max_input_tokens),
        maxOutputTokens: firstTokens(model.max_tokens),
      }),
      capabilities: known({
        structuredOutput: able(can.structured_outputs),
        reasoning: able(can.thinking),
        inputModalities: inputsOfAnthropic(able(can.image_input), able(can.pdf_input)),
      }),
    };
  });
}

function inputsOfAnthropic(image: boolean | undefined, pdf: boolean | undefined): readonly string[] | undefined {
  if (image === undefined && pdf === undefined) return undefined;
  return ['text', ...(image === true ? ['image'] : []), ...(pdf === true ? ['file'] : [])];
}

/** The Gemini API's `models`, and the `publisherModels` of Google Cloud, which tell little but the name. */
export function readGemini(body: unknown): readonly ListedModel[] {
  const said = fields(body);
  const models = list(said.models).map(fields);
  const published = list(said.publisherModels).map(fields);
  return [
    ...models.filter((model) => list(model.supportedGenerationMethods).includes('generateContent')).map(fromGemini),
    ...published.map(fromGemini).filter((model) => /^(gemini|gemma)-/.test(model.id)),
  ];
}

function fromGemini(model: Readonly<Record<string, unknown>>): ListedModel {
  const id = (text(model.name) ?? '').replace(/^(?:publishers\/[^/]+\/)?models\//, '');
  return {
    id,
    ...known({
      name: text(model.displayName),
      ownedBy: 'google',
      contextWindow: firstTokens(model.inputTokenLimit),
      maxOutputTokens: firstTokens(model.outputTokenLimit),
    }),
    capabilities: known({ reasoning: flag(model.thinking) }),
  };
}

export function readCohere(body: unknown): readonly ListedModel[] {
  return list(fields(body).models)
    .map(fields)
    .filter((model) => list(model.endpoints).includes('chat') && model.is_deprecated !== true)
    .map((model) => {
      const features = Array.isArray(model.features) ? list(model.features) : undefined;
      return {
        id: text(model.name) ?? '',
        ...known({ ownedBy: 'cohere', contextWindow: firstTokens(model.context_length) }),
        capabilities: known({
          tools: features?.includes('tools'),
          structuredOutput: features?.includes('json_schema'),
          logprobs: features?.includes('logprobs'),
          reasoning: features?.includes('reasoning'),
          inputModalities: features === undefined ? undefined : ['text', ...(features.includes('vision') ? ['image'] : [])],
        }),
      };
    });
}

/** `modelSummaries` of foundation models that can be called by their own id, and `inferenceProfileSummaries`. */
export function readBedrock(body: unknown): readonly ListedModel[] {
  const said = fields(body);
  return [
    ...list(said.modelSummaries).map(fields).flatMap(foundationModel),
    ...list(said.inferenceProfileSummaries).map(fields).flatMap(profile),
  ];
}

function foundationModel(model: Readonly<Record<string, unknown>>): readonly ListedModel[] {
  const outputs = list(model.outputModalities);
  const onDemand = list(model.inferenceTypesSupported).includes('ON_DEMAND');
  const gone = text(fields(model.modelLifecycle).status) === 'LEGACY';
  if (!outputs.includes('TEXT') || !onDemand || gone) return [];
  return [
    {
      id: text(model.modelId) ?? '',
      ...known({ name: text(model.modelName), ownedBy: text(model.providerName)?.toLowerCase() }),
      capabilities: known({ inputModalities: modalities(list(model.inputModalities)), outputModalities: modalities(outputs) }),
    },
  ];
}

/** Profiles of an account's own are called by their address, those of the system by their id. */
function profile(one: Readonly<Record<string, unknown>>): readonly ListedModel[] {
  if (one.status !== undefined && one.status !== 'ACTIVE') return [];
  const own = one.type === 'APPLICATION';
  const models = list(one.models).map((model) => text(fields(model).modelArn) ?? '');
  if (models.length > 0 && !models.some(chatsByName)) return [];
  return [
    {
      id: text(own ? one.inferenceProfileArn : one.inferenceProfileId) ?? '',
      ...known({ name: text(one.inferenceProfileName), created: seconds(one.createdAt) }),
      capabilities: {},
    },
  ];
}
