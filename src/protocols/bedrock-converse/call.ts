/** Converse and ConverseStream of the Bedrock runtime. */
import type { ChatRequest } from '../../core/chat.ts';
import { answerFromTool } from '../reshape/answer-tool.ts';
import { customFromFunctions } from '../reshape/custom-tools.ts';
import { stopAt } from '../reshape/stop-at.ts';
import { thinkTags } from '../reshape/think-tags.ts';
import type { AnswerHead, HttpCall, Prepared, Reshape, Wire, WireTarget } from '../wire.ts';
import { readAnswer } from './answer.ts';
import { thinCachePoints } from './content.ts';
import { createDecoder } from './decoder.ts';
import { bedrockError } from './error.ts';
import { writeConversation } from './messages.ts';
import type { BedrockQuirks } from './quirks.ts';
import { planThinking } from './reasoning.ts';
import { inferenceConfig, planStops, withoutForm, writeExtras } from './settings.ts';
import { askForTool, planStructure } from './structured.ts';
import { planTools } from './tools.ts';
import type { ToolPlan } from './tools.ts';

type Body = Readonly<Record<string, unknown>>;

export const bedrockConverseWire: Wire<BedrockQuirks> = {
  prepare,
  error: bedrockError,
  severalChoices: () => false,
  imageUrls: () => false,
};

function prepare(request: ChatRequest, target: WireTarget<BedrockQuirks>, head: AnswerHead): Prepared {
  const { quirks, provider, model } = target;
  const ignored = withoutForm(request);
  const thinking = planThinking(request, target, ignored);
  const { tool: answer, textFormat } = planStructure(request, quirks);
  const plan = planTools(request, { quirks, answer, unforced: thinking.strict, ignored });
  const stops = planStops(request, quirks);
  const { system, messages } = writeConversation(request, {
    provider,
    quirks,
    ignored,
    endWithUser: quirks.noPrefill === true || thinking.strict,
    instructions: answer && plan.mustAsk ? [askForTool(answer.name)] : [],
  });
  thinCachePoints([plan.tools, system, ...messages.map(({ content }) => content)]);
  const outputConfig = { ...(textFormat ? { textFormat } : {}), ...(thinking.effort === undefined ? {} : { effort: thinking.effort }) };
  const body: Body = {
    messages,
    ...unlessEmpty('system', system),
    ...whereGiven('inferenceConfig', inferenceConfig(request, { quirks, thinking, stops, ignored })),
    ...toolConfig(plan),
    ...unlessEmpty('outputConfig', outputConfig),
    ...unlessEmpty('additionalModelRequestFields', {
      ...quirks.fields,
      ...thinking.fields,
      ...(plan.nativeChoice === undefined ? {} : { tool_choice: plan.nativeChoice }),
    }),
    ...writeExtras(request, quirks, ignored),
  };
  const facts = { ...head, model, provider, silent: plan.silent };
  return {
    call: httpCall(request, target, body),
    framing: 'aws-eventstream',
    ignored,
    reshape: steps(request, { answer: answer?.name, stops: stops.ours, rawThinking: quirks.rawThinking === true }),
    response: (answered) => ({ response: readAnswer(answered, facts) }),
    decoder: () => createDecoder(facts),
  };
}

function httpCall({ stream }: ChatRequest, { baseUrl, upstreamModel }: WireTarget<BedrockQuirks>, body: Body): HttpCall {
  return {
    url: `${baseUrl}/model/${pathPart(upstreamModel)}/${stream ? 'converse-stream' : 'converse'}`,
    headers: { 'content-type': 'application/json', accept: stream ? 'application/vnd.amazon.eventstream' : 'application/json' },
    body: JSON.stringify(body),
  };
}

/** Ids hold colons, ARNs slashes: AWS wants all but unreserved characters escaped. */
const pathPart = (id: string): string =>
  encodeURIComponent(id).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const unlessEmpty = (key: string, value: object): Body => (Object.keys(value).length > 0 ? { [key]: value } : {});

const whereGiven = (key: string, value: Body | undefined): Body => (value ? { [key]: value } : {});

function toolConfig({ tools, toolChoice }: ToolPlan): Body {
  return tools.length > 0 ? { toolConfig: { tools, ...(toolChoice ? { toolChoice } : {}) } } : {};
}

interface StepsFor {
  readonly answer: string | undefined;
  readonly stops: readonly string[];
  readonly rawThinking: boolean;
}

function steps({ tools }: ChatRequest, { answer, stops, rawThinking }: StepsFor): (() => Reshape)[] {
  const custom = new Set(tools.filter(({ kind }) => kind === 'custom').map(({ name }) => name));
  return [
    ...(rawThinking ? [thinkTags] : []),
    ...(answer === undefined ? [] : [() => answerFromTool(answer)]),
    ...(custom.size > 0 ? [() => customFromFunctions(custom)] : []),
    ...(stops.length > 0 ? [() => stopAt(stops)] : []),
  ];
}
