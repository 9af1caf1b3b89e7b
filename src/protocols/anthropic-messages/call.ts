/** The wire of Anthropic's Messages API, at Anthropic and on the clouds that serve its models. */
import type { ChatRequest } from '../../core/chat.ts';
import { stopAt } from '../reshape/stop-at.ts';
import type { AnswerHead, HttpCall, Prepared, Wire, WireTarget } from '../wire.ts';
import { readMessage } from './answer.ts';
import type { Reading } from './answer.ts';
import { withMarks } from './cache.ts';
import type { Draft } from './cache.ts';
import { saysSomething } from './content.ts';
import type { Notes } from './content.ts';
import { failureOf } from './failure.ts';
import { rulesOf } from './models.ts';
import type { ModelRules } from './models.ts';
import { settle } from './quirks.ts';
import type { AnthropicQuirks, Settled } from './quirks.ts';
import { samplingFor, thinkingFor } from './settings.ts';
import type { Thinking } from './settings.ts';
import { createDecoder } from './stream.ts';
import { toolsFor } from './tools.ts';
import { THOUGHTS, answersCalls, converse } from './turns.ts';
import type { Conversation, Turn } from './turns.ts';

type Fields = Readonly<Record<string, unknown>>;
type Target = WireTarget<AnthropicQuirks>;

export const anthropicMessagesWire: Wire<AnthropicQuirks> = {
  prepare,
  error: failureOf,
  severalChoices: () => false,
  imageUrls: (target) => settle(target.quirks).urlSources,
};

/** Asks the model to go on, where its last turn cannot simply be continued. */
const GO_ON = 'Go on from where your last message ends. Repeat nothing of it.';

function prepare(request: ChatRequest, target: Target, head: AnswerHead): Prepared {
  const quirks = settle(target.quirks);
  const rules: ModelRules = { ...rulesOf(target.upstreamModel, target.facts.reasoning), ...quirks.models };
  const notes: Notes = { ignored: [], betas: new Set(quirks.betas) };
  const systemTurns = rules.systemTurns && quirks.systemTurns;
  const conversation = converse(request, { provider: target.provider, quirks, systemTurns, notes });
  const { system, turns: said, called, container, paused } = conversation;
  const structured = rules.structuredOutputs && quirks.structuredOutputs && target.facts.structuredOutput !== false;
  const tools = toolsFor(request, { rules, quirks, structured, called });
  const maxTokens = request.maxTokens ?? target.facts.maxOutputTokens ?? rules.maxOutput;
  const thinking = thinkingFor(request.reasoningEffort, {
    rules,
    forced: tools.forced,
    maxTokens,
    lostThinking: lostThinking(conversation),
  });
  if (thinking.active && rules.interleavesByBeta && tools.drafts.length > 0) notes.betas.add('interleaved-thinking-2025-05-14');
  const sampled = samplingFor(request, rules, thinking.active);
  const turns = paused ? said : settledEnd(said, rules.prefill && !thinking.active && !tools.format && !tools.forced);

  const blanks = request.stop.filter((one) => !saysSomething(one));
  const stops = request.stop.filter(saysSomething);
  const told = tools.instructions.map((text): Draft => ({ part: { type: 'text', text } }));
  const [writtenTools = [], writtenSystem = [], ...writtenTurns] = marked(
    [tools.drafts, [...system, ...told], ...turns.map(({ drafts }) => drafts)],
    quirks,
  );
  const account = accountOf(request, quirks);
  const config = { ...(thinking.effort ? { effort: thinking.effort } : {}), ...(tools.format ? { format: tools.format } : {}) };
  const body = {
    ...placeOf(request, target, quirks),
    max_tokens: maxTokens,
    ...(writtenSystem.length > 0 ? { system: writtenSystem } : {}),
    messages: turns.map(({ role }, at) => ({ role, content: writtenTurns[at] ?? [] })),
    ...(writtenTools.length > 0 ? { tools: writtenTools } : {}),
    ...(tools.choice ? { tool_choice: tools.choice } : {}),
    ...sampled.fields,
    ...(stops.length > 0 ? { stop_sequences: stops } : {}),
    ...thinkingField(thinking, { rules, quirks, turns, notes }),
    ...(Object.keys(config).length > 0 ? { output_config: config } : {}),
    ...(container === undefined ? {} : { container }),
    ...account.fields,
  };
  const ignored = [
    ...notes.ignored,
    ...sampled.ignored,
    ...tools.ignored,
    ...(thinking.ignored ? ['reasoning_effort'] : []),
    ...account.ignored,
    ...request.extras.filter((path) => path !== 'web_search_options' && path !== 'service_tier'),
  ];
  const reading: Reading = { provider: target.provider, model: target.model, head, unsigned: quirks.unsignedThinking };
  return {
    call: callOf(body, { request, target, quirks, betas: notes.betas }),
    framing: quirks.platform === 'bedrock' ? 'aws-eventstream' : 'sse',
    ignored,
    reshape: blanks.length > 0 ? [...tools.reshape, () => stopAt(blanks)] : tools.reshape,
    // only the provider's own tools make it pause; a declaration with a type is one of those
    pauses: paused || tools.drafts.some(({ part }) => 'type' in part),
    response: (answer) => ({ response: readMessage(answer, reading) }),
    decoder: () => createDecoder(reading),
  };
}

function marked(lists: readonly (readonly Draft[])[], quirks: Settled): Fields[][] {
  return quirks.cacheMarks ? withMarks(lists) : lists.map((drafts) => drafts.map(({ part }) => part));
}

/** What says which model and version is meant; the clouds have the model in the path. */
function placeOf(request: ChatRequest, target: Target, { platform }: Settled): Fields {
  if (platform === 'bedrock') return { anthropic_version: 'bedrock-2023-05-31' };
  const stream = request.stream ? { stream: true } : {};
  if (platform === 'vertex') return { anthropic_version: 'vertex-2023-10-16', ...stream };
  return { model: target.upstreamModel, ...stream };
}

interface Sending {
  readonly request: ChatRequest;
  readonly target: Target;
  readonly quirks: Settled;
  readonly betas: ReadonlySet<string>;
}

/** Bedrock takes betas in the body, the others in a header. */
function callOf(body: Fields, { request, target, quirks, betas }: Sending): HttpCall {
  const { baseUrl, upstreamModel } = target;
  const model = encodeURIComponent(upstreamModel);
  const json = { 'content-type': 'application/json' };
  const named = [...betas];
  const beta = named.length > 0 ? { 'anthropic-beta': named.join(',') } : {};
  switch (quirks.platform) {
    case 'bedrock': {
      const path = request.stream ? 'invoke-with-response-stream' : 'invoke';
      const whole = named.length > 0 ? { ...body, anthropic_beta: named } : body;
      return { url: `${baseUrl}/model/${model}/${path}`, headers: json, body: JSON.stringify(whole) };
    }
    case 'vertex': {
      const method = request.stream ? 'streamRawPredict' : 'rawPredict';
      const url = `${baseUrl}/publishers/anthropic/models/${model.replaceAll('%40', '@')}:${method}`;
      return { url, headers: { ...json, ...beta }, body: JSON.stringify(body) };
    }
    case 'own':
      return { url: `${baseUrl}/messages`, headers: { ...json, 'anthropic-version': '2023-06-01', ...beta }, body: JSON.stringify(body) };
  }
}

/**
 * Results of tools are due to a run of turns in which no thinking stands: it would have to begin with some. A turn that was
 * paused goes on as it began.
 */
function lostThinking({ turns: all, paused }: Conversation): boolean {
  const turns = paused ? all.slice(0, -1) : all;
  const last = turns.at(-1);
  if (!answersCalls(last)) return false;
  const asked = turns.findLastIndex((turn) => turn.role === 'user' && !answersCalls(turn));
  return !turns.slice(asked + 1).some(({ drafts }) => THOUGHTS.has(drafts[0]?.part.type));
}

interface Replaying {
  readonly rules: ModelRules;
  readonly quirks: Settled;
  readonly turns: readonly Turn[];
  readonly notes: Notes;
}

/**
 * Newer models take thinking back only after the very turns that it came after, and clients may have changed those: such
 * thinking is to be dropped, not refused.
 */
function thinkingField({ thinking }: Thinking, { rules, quirks, turns, notes }: Replaying): Fields {
  const replays = turns.some(({ drafts }) => drafts.some(({ part }) => THOUGHTS.has(part.type)));
  if (!replays || !rules.boundThinking || !quirks.bindingControls) return thinking ? { thinking } : {};
  notes.betas.add('thinking-binding-controls-2026-08-01');
  return { thinking: { ...thinking, block_binding: { prefix_mismatch_behavior: 'drop_block' } } };
}

/**
 * A last turn of the assistant, where it was not paused, is the beginning of the answer. Where the model takes none it is
 * asked to go on.
 */
function settledEnd(turns: readonly Turn[], takesPrefill: boolean): readonly Turn[] {
  const last = turns.at(-1);
  if (last?.role !== 'assistant') return turns;
  if (!takesPrefill) return [...turns, { role: 'user', drafts: [{ part: { type: 'text', text: GO_ON } }] }];
  // white space at its end is refused, and so is a thought there
  const at = last.drafts.findLastIndex(({ part }) => part.type === 'text');
  const end = last.drafts[at];
  if (!end) return turns.slice(0, -1);
  const text = String(end.part.text).trimEnd();
  return [...turns.slice(0, -1), { role: 'assistant', drafts: [...last.drafts.slice(0, at), { ...end, part: { type: 'text', text } }] }];
}

/** Who asks, and in what class of service. */
function accountOf(request: ChatRequest, quirks: Settled): { readonly fields: Fields; readonly ignored: readonly string[] } {
  const { user, safetyIdentifier, raw } = request;
  const ignored: string[] = [];
  const id = safetyIdentifier ?? user;
  const known = id !== undefined && quirks.userIds && id !== '' && id.length <= 256;
  if (safetyIdentifier !== undefined && !known) ignored.push('safety_identifier');
  if (user !== undefined && !(known && user === id)) ignored.push('user');
  const asked = raw.service_tier;
  const tier = asked === 'default' ? 'standard_only' : asked === 'auto' || asked === 'priority' ? 'auto' : undefined;
  const sent = tier !== undefined && quirks.serviceTiers;
  if (request.extras.includes('service_tier') && !sent) ignored.push('service_tier');
  return { fields: { ...(known ? { metadata: { user_id: id } } : {}), ...(sent ? { service_tier: tier } : {}) }, ignored };
}
