/**
 * Lists in OpenAI's format, with what others add to it. Field names by the providers' own documentation of their lists:
 * OpenRouter, Together, Groq, Mistral, Fireworks, Cerebras, Hugging Face, xAI, Moonshot, DeepInfra, Novita, Nebius,
 * Vercel, vLLM, SGLang, LM Studio, llama.cpp, Ollama and this program's own.
 */
import type { Capabilities, Pricing } from '../../core/call.ts';
import { count, fields, flag, list, text } from '../../protocols/json.ts';
import type { ListedModel } from './model.ts';
import { firstTokens, known, modalities, seconds } from './model.ts';

type Said = Readonly<Record<string, unknown>>;

/** `data` in an envelope, `models` in another one, or an array without any. */
export function readOpenAI(body: unknown): readonly ListedModel[] {
  const said = fields(body);
  const items = Array.isArray(body) ? list(body) : Array.isArray(said.data) ? list(said.data) : list(said.models);
  return items.map(fields).filter(chats).flatMap(withAliases);
}

/** What a list says of a model's kind. Silence is no reason to leave it out. */
function chats(model: Said): boolean {
  const kind = text(model.type) ?? text(model.model_type);
  if (kind !== undefined && OTHER_KINDS.test(kind)) return false;
  const can = fields(model.capabilities);
  if (flag(can.completion_chat) === false || flag(can.chat_completion) === false) return false;
  if (flag(model.supports_chat) === false || flag(model.active) === false || flag(model.deprecated) === true) return false;
  const outputs = outputsOf(model);
  return outputs === undefined || outputs.includes('text');
}

const OTHER_KINDS = /^(embeddings?|image|audio|video|rerank\w*|reranking|moderation|transcri\w+|speech|tts|stt)$/i;

function withAliases(model: Said): readonly ListedModel[] {
  const read = readModel(model);
  return [read, ...list(model.aliases).flatMap((alias) => (typeof alias === 'string' ? [{ ...read, id: alias }] : []))];
}

function readModel(model: Said): ListedModel {
  const metadata = fields(model.metadata);
  const top = fields(model.top_provider);
  const meta = fields(model.meta);
  return {
    id: text(model.id) ?? text(model.model) ?? text(model.name) ?? text(model.key) ?? '',
    ...known({
      name: text(model.display_name) ?? text(model.title) ?? (text(model.id) === undefined ? undefined : text(model.name)),
      created: seconds(model.created) ?? seconds(model.created_at),
      ownedBy: text(model.owned_by) ?? text(model.organization) ?? text(model.publisher),
      contextWindow: firstTokens(
        top.context_length,
        model.context_length,
        model.context_window,
        model.max_context_length,
        model.max_model_len,
        model.context_size,
        model.max_prompt_length,
        metadata.context_length,
        fields(model.limits).max_context_length,
        meta.n_ctx,
        // where several hosts answer, what the largest takes
        ...hostsOf(model).map((host) => host.context_length),
      ),
      maxOutputTokens: firstTokens(
        top.max_completion_tokens,
        model.max_completion_tokens,
        model.max_output_tokens,
        fields(model.limits).max_completion_tokens,
        isLanguageModel(model) ? model.max_tokens : undefined,
      ),
      pricing: pricingOf(model),
    }),
    capabilities: capabilitiesOf(model),
  };
}

/** Vercel's lists say `language`, and mean the answer by `max_tokens`; elsewhere that may be anything. */
function isLanguageModel(model: Said): boolean {
  return model.type === 'language';
}

/** The hosts that a router may choose from, the one with the largest window first. */
function hostsOf(model: Said): readonly Said[] {
  return list(model.providers)
    .map(fields)
    .filter((host) => host.status === undefined || host.status === 'live')
    .toSorted((a, b) => (count(b.context_length) ?? 0) - (count(a.context_length) ?? 0));
}

// --- what it can do ---

function capabilitiesOf(model: Said): Capabilities {
  const can = fields(model.capabilities);
  const told = wordsOf(model);
  const hosts = hostsOf(model);
  const says = (...names: readonly string[]) => (told === undefined ? undefined : names.some((name) => told.has(name)));
  return known({
    tools:
      flag(can.tools) ??
      flag(can.function_calling) ??
      flag(model.supports_tools) ??
      anyHost(hosts, 'supports_tools') ??
      says('tools', 'tool_use', 'tool-use', 'function-calling', 'function_calling'),
    structuredOutput:
      flag(can.structured_output) ??
      flag(can.structured_outputs) ??
      anyHost(hosts, 'supports_structured_output') ??
      says('structured_outputs', 'structured-outputs', 'json_schema'),
    logprobs: flag(can.logprobs) ?? says('logprobs'),
    reasoning: flag(can.reasoning) ?? flag(model.supports_reasoning) ?? says('reasoning', 'thinking'),
    inputModalities: inputsOf(model),
    outputModalities: outputsOf(model),
  });
}

function anyHost(hosts: readonly Said[], field: string): boolean | undefined {
  const said = hosts.flatMap((host) => flag(host[field]) ?? []);
  return said.length === 0 ? undefined : said.includes(true);
}

/** Lists of parameters, features or tags. A list without a word is none; tags alone leave much unsaid. */
function wordsOf(model: Said): ReadonlySet<string> | undefined {
  const lists = [model.supported_parameters, model.supported_features, model.features, model.capabilities].filter(Array.isArray);
  const words = lists.flatMap((one: readonly unknown[]) => one.map(String));
  return words.length > 0 ? new Set(words) : undefined;
}

function inputsOf(model: Said): readonly string[] | undefined {
  const told =
    modalities(list(fields(model.architecture).input_modalities)) ??
    modalities(list(model.input_modalities)) ??
    modalities(list(fields(model.capabilities).input_modalities)) ??
    modalities(list(fields(model.modalities).input)) ??
    modalities(leftOf(text(fields(model.architecture).modality)));
  if (told !== undefined) return told;
  const sees = flag(fields(model.capabilities).vision) ?? flag(model.supports_image_in) ?? flag(model.supports_image_input);
  if (sees === undefined) return model.type === 'vlm' ? ['text', 'image'] : undefined;
  const watches = flag(model.supports_video_in) === true;
  return ['text', ...(sees ? ['image'] : []), ...(watches ? ['video'] : [])];
}

function outputsOf(model: Said): readonly string[] | undefined {
  return (
    modalities(list(fields(model.architecture).output_modalities)) ??
    modalities(list(model.output_modalities)) ??
    modalities(list(fields(model.capabilities).output_modalities)) ??
    modalities(list(fields(model.modalities).output))
  );
}

/** `text+image->text`: what stands before the arrow. */
function leftOf(modality: string | undefined): readonly string[] {
  return modality?.split('->')[0]?.split('+') ?? [];
}

// --- what it costs ---

const MILLION = 1e6;

function pricingOf(model: Said): Pricing | undefined {
  const price = fields(model.pricing);
  const deep = fields(fields(model.metadata).pricing);
  return (
    perMillion([price.prompt, price.completion, price.input_cache_read, price.input_cache_write], MILLION) ??
    // as text they are dollars a token, as numbers dollars a million
    perMillion(
      [price.input, price.output, price.input_cache_read ?? price.cached_input, price.input_cache_write ?? price.cache_write],
      typeof price.input === 'string' ? MILLION : 1,
    ) ??
    perMillion([deep.input_tokens, deep.output_tokens, deep.cache_read_tokens, undefined], 1) ??
    // cents for a hundred million
    perMillion([model.prompt_text_token_price, model.completion_text_token_price, model.cached_prompt_text_token_price, undefined], 1e-4) ??
    // hundredths of a cent for a million
    perMillion([model.input_token_price_per_m, model.output_token_price_per_m, undefined, undefined], 1e-4)
  );
}

/** Dollars a million: input, output, cached input, cache write. Negative ones stand for "it depends" and are none. */
function perMillion(
  values: readonly [input: unknown, output: unknown, cachedInput: unknown, cacheWrite: unknown],
  times: number,
): Pricing | undefined {
  const [input, output, cachedInput, cacheWrite] = values.map((value) => dollars(value, times));
  if (input === undefined || output === undefined) return undefined;
  return { input, output, ...known({ cachedInput, cacheWrite }) };
}

function dollars(value: unknown, times: number): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  const amount = count(number);
  // twelve digits are more than any price has, and fewer than the error of the product
  return amount === undefined ? undefined : Number((amount * times).toPrecision(12));
}
