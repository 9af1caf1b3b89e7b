/** The body of a request: everything but the messages and the tools is here. */
import type { ChatRequest, ReasoningEffort } from '../../core/chat.ts';
import { fields, list } from '../json.ts';
import { stopAt } from '../reshape/stop-at.ts';
import { thinkTags } from '../reshape/think-tags.ts';
import type { Reshape, WireTarget } from '../wire.ts';
import { writeMessages } from './messages.ts';
import type { CohereChatQuirks } from './quirks.ts';
import { toolFields } from './tools.ts';

/** Stop sequences the API takes at most. */
const MOST_STOPS = 5;

/** Fields of the API itself that have no counterpart in the contract: a client that gives them knows whom it asks. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['citation_options', 'documents', 'k', 'priority', 'safety_mode']);

export interface Written {
  readonly body: Readonly<Record<string, unknown>>;
  readonly reshape: readonly (() => Reshape)[];
  readonly ignored: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Throws `unsupported_value` for parts that the API has no form for. */
export function writeRequest(request: ChatRequest, target: WireTarget<CohereChatQuirks>): Written {
  const ignored: string[] = [];
  const { quirks } = target;
  const messages = writeMessages(request.messages, target.provider, ignored);
  const tools = toolFields(request, quirks);
  const stops = request.stop.slice(0, MOST_STOPS);
  const later = request.stop.slice(MOST_STOPS);
  const body = {
    model: target.upstreamModel,
    messages,
    stream: request.stream,
    ...tools.body,
    ...(request.maxTokens === undefined ? {} : { max_tokens: request.maxTokens }),
    ...(stops.length > 0 ? { stop_sequences: stops } : {}),
    ...sampling(request, ignored),
    ...logprobs(request, quirks, ignored),
    ...thinking(request, target, ignored),
    ...extras(request, ignored),
  };
  if (request.verbosity) ignored.push('verbosity');
  return {
    body,
    reshape: [...(quirks.thinkTags ? [thinkTags] : []), ...tools.reshape, ...(later.length > 0 ? [() => stopAt(later)] : [])],
    ignored: [...ignored, ...tools.ignored, ...cacheMarks(request)],
  };
}

/** Values beyond the API's ranges are moved to their end. Penalties of 0 are left out: some models take only one of the two. */
function sampling({ sampling: given }: ChatRequest, ignored: string[]): Fields {
  const { temperature, topP, frequencyPenalty = 0, presencePenalty = 0, seed, logitBias } = given;
  const within = (value: number, path: string, [low, high]: readonly [number, number]): number => {
    const moved = Math.min(Math.max(value, low), high);
    if (moved !== value) ignored.push(path);
    return moved;
  };
  const frequency = within(frequencyPenalty, 'frequency_penalty', [0, 1]);
  const presence = within(presencePenalty, 'presence_penalty', [0, 1]);
  if (logitBias && logitBias.size > 0) ignored.push('logit_bias');
  return {
    ...(temperature === undefined ? {} : { temperature: within(temperature, 'temperature', [0, 1]) }),
    // 1 asks for no limit: the greatest value there is
    ...(topP === undefined ? {} : { p: topP === 1 ? 0.99 : within(topP, 'top_p', [0.01, 0.99]) }),
    ...(frequency === 0 ? {} : { frequency_penalty: frequency }),
    ...(presence === 0 ? {} : { presence_penalty: presence }),
    // negative ones are refused; any other number does as well, as long as it is the same each time
    ...(seed === undefined ? {} : { seed: Math.abs(seed) }),
  };
}

function logprobs({ logprobs: wanted }: ChatRequest, quirks: CohereChatQuirks, ignored: string[]): Fields {
  if (!wanted) return {};
  if (quirks.logprobs === false) ignored.push('logprobs');
  if (wanted.top > 0) ignored.push('top_logprobs');
  return quirks.logprobs === false ? {} : { logprobs: true };
}

/** Tokens of thinking at most; the higher levels think as long as they like. */
const BUDGETS: Partial<Record<ReasoningEffort, number>> = { minimal: 512, low: 2048, medium: 8192 };

function thinking({ reasoningEffort: effort }: ChatRequest, target: WireTarget<CohereChatQuirks>, ignored: string[]): Fields {
  if (effort === undefined) return {};
  if (target.quirks.thinking === false || target.facts.reasoning === false) {
    if (effort !== 'none') ignored.push('reasoning_effort');
    return {};
  }
  if (effort === 'none') return { thinking: { type: 'disabled' } };
  const budget = BUDGETS[effort];
  return { thinking: { type: 'enabled', ...(budget === undefined ? {} : { token_budget: budget }) } };
}

function extras({ extras: paths, raw }: ChatRequest, ignored: string[]): Fields {
  const own: Record<string, unknown> = {};
  for (const path of paths) {
    if (OWN_FIELDS.has(path)) own[path] = raw[path];
    // the name that most other servers have for it
    else if (path === 'top_k' && !paths.includes('k')) own['k'] = raw[path];
    else ignored.push(path);
  }
  return own;
}

const MARKS = ['cache_control', 'prompt_cache_breakpoint'];

/** Cache marks have no counterpart: the provider caches by itself. */
function cacheMarks({ raw, extras: known }: ChatRequest): string[] {
  const marked = (value: unknown, at: string): string[] => {
    const holder = fields(value);
    return MARKS.filter((mark) => holder[mark] != null).map((mark) => `${at}.${mark}`);
  };
  const parts = list(raw['messages']).flatMap((message, index) =>
    list(fields(message)['content']).flatMap((part, at) => marked(part, `messages[${index}].content[${at}]`)),
  );
  const tools = list(raw['tools']).flatMap((tool, index) => marked(tool, `tools[${index}]`));
  return [...parts, ...tools].filter((path) => !known.includes(path));
}
