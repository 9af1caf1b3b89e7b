/** What becomes of a request on its way to a local model: text to render, a grammar, a parser. */
import { type ChatRequest, type ReasoningEffort, textOf } from '../../../core/chat.ts';
import { callParser, wholeCharacters } from './call-parser.ts';
import { type Family, familyOf, GENERIC, HERMES_CALLS, tellsTools } from './families.ts';
import { FINAL, harmonyGrammar } from './harmony-grammar.ts';
import { harmonyParser } from './harmony-parser.ts';
import { ID, type Piece } from './notation.ts';
import { arrange, nativeMessages, roleRules, turnsOf } from './messages.ts';
import { markedGrammar } from './output-grammar.ts';
import type { ChatPlan, ModelTraits, OutputGrammar, OutputParser } from './plan.ts';
import { flattened, formatPreamble, plainMessages, toolPreamble, usesTools } from './preamble.ts';
import { CHATML, DEEPSEEK_R1 } from './templates.ts';
import type { Ignored } from './schema-rules.ts';
import { planThinking, reasons, type ThinkingPlan } from './think.ts';
import { forTemplate, type OfferedTool, offerTools, type ToolOffer } from './tools.ts';

/** What the model catalogue says of a model's chat format. */
export interface FormatCard {
  readonly family: string;
  /** `native`: the model was trained on calls in a notation of its own. */
  readonly tools: 'native' | 'generic';
  readonly reasoning: boolean;
}

/** The chat format of a model, as its template shows it. */
export function describeTraits(traits: ModelTraits): FormatCard {
  const family = familyOf(traits.template);
  return {
    family: family.id,
    tools: family === GENERIC ? 'generic' : 'native',
    reasoning: family.id === 'harmony' || reasons(traits.template),
  };
}

/**
 * The plan for one request to one model. Throws GatewayError: `unsupported_value` for a part or a tool that the model
 * cannot take, `invalid_json_schema` for a strict schema that cannot be enforced, each with its place in the request.
 */
export function planChat(request: ChatRequest, traits: ModelTraits): ChatPlan {
  const family = familyOf(traits.template);
  const asked = offerTools(request);
  const offer: ToolOffer = family.calls?.parallel === false ? { ...asked, most: 'one' } : asked;
  const ignored = new Set<string>(request.extras);
  const ignore: Ignored = Object.assign((path: string): void => void ignored.add(path), { budget: { spentMs: 0 } });
  const turns = turnsOf(request);
  const template = templateFor(request, { traits, family, offer });
  const source = template ?? traits.template;
  const harmony = family.id === 'harmony';

  const thinking = harmony ? harmonyEffort(request.reasoningEffort, ignore) : thinkingFor(request, source, ignore);
  const knowsVerbosity = /\bverbosity\b/.test(source);
  if (request.verbosity !== undefined && !knowsVerbosity) ignore('verbosity');
  const grammar = grammarFor(request, { family, offer, thinking, ignore });
  if (grammar?.triggers === undefined && grammar?.suspendsStop && offer.must === 'free' && request.stop.length > 0) ignore('stop');

  const native = tellsTools(family);
  const preamble = [native ? '' : toolPreamble(offer, family.id), formatPreamble(request.responseFormat, harmony)]
    .filter((text) => text !== '')
    .join('\n\n');
  const rules = roleRules(source);
  const messages =
    family === GENERIC
      ? plainMessages(arrange(flattened(turns), rules, preamble), source, ignore)
      : nativeMessages(arrange(turns, rules, preamble), { family, template: source, ignored: ignore });
  const stopAfter = harmony ? FINAL : thinking.thinking?.opened ? thinking.thinking.close : undefined;

  return {
    render: {
      messages,
      ...(native && offer.told.length > 0 ? { tools: offer.told.map(forTemplate) } : {}),
      variables: { ...thinking.variables, ...(knowsVerbosity && request.verbosity !== undefined ? { verbosity: request.verbosity } : {}) },
    },
    ...(template === undefined ? {} : { template }),
    prefix: thinking.thinking?.prefix ?? '',
    ...(grammar ? { grammar } : {}),
    formatStop: endMarks(source, traits.eosToken, harmony),
    ...(stopAfter === undefined ? {} : { stopAfter }),
    ignored: [...ignored],
    parser: () => wholeCharacters(parserFor(family, offer, thinking)),
  };
}

/** A template of ours, where the file's own does not do. */
function templateFor(
  request: ChatRequest,
  { traits, family, offer }: { readonly traits: ModelTraits; readonly family: Family; readonly offer: ToolOffer },
): string | undefined {
  if (traits.template.trim() === '') return CHATML;
  if (family.id === 'deepseek-r1' && (offer.told.length > 0 || usesTools(request)) && traits.template.includes('<think>'))
    return DEEPSEEK_R1;
  return undefined;
}

function thinkingFor(request: ChatRequest, template: string, ignore: (path: string) => void): ThinkingPlan {
  const plan = planThinking(template, {
    effort: request.reasoningEffort,
    afterTools: request.messages.at(-1)?.role === 'tool',
    saysNoThink: request.messages.some((message) => textOf(message.blocks).includes('/no_think')),
  });
  if (request.reasoningEffort !== undefined && !plan.honoursEffort) ignore('reasoning_effort');
  return plan;
}

const HARMONY_EFFORT: Readonly<Record<ReasoningEffort, string>> = {
  none: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
};

/** gpt-oss knows three efforts and cannot go without reasoning; the nearest is taken. */
function harmonyEffort(effort: ReasoningEffort | undefined, ignore: (path: string) => void): ThinkingPlan {
  if (effort === 'none') ignore('reasoning_effort');
  return { variables: effort === undefined ? {} : { reasoning_effort: HARMONY_EFFORT[effort] }, honoursEffort: true };
}

interface Parts {
  readonly family: Family;
  readonly offer: ToolOffer;
  readonly thinking: ThinkingPlan;
  readonly ignore: Ignored;
}

function grammarFor(request: ChatRequest, { family, offer, thinking, ignore }: Parts): OutputGrammar | undefined {
  if (family.id === 'harmony') return harmonyGrammar({ request, offer, ignored: ignore });
  return markedGrammar({ request, offer, calls: family.calls ?? HERMES_CALLS, thinking: thinking.thinking, ignored: ignore });
}

function parserFor(family: Family, offer: ToolOffer, thinking: ThinkingPlan): OutputParser {
  if (family.id === 'harmony') return harmonyParser(offer.callable);
  return callParser({
    calls: family.calls,
    tools: offer.callable,
    thinking: thinking.thinking,
    certain: certainTool(family, offer, thinking),
  });
}

/** The grammar lets nothing else begin; a call whose id the model writes itself has to wait for it. */
function certainTool({ calls }: Family, { must, callable }: ToolOffer, { thinking }: ThinkingPlan): OfferedTool | undefined {
  const [tool, ...others] = callable;
  return must === 'free' || thinking || others.length > 0 || !calls || holdsId(calls.callOpen) ? undefined : tool;
}

function holdsId(pieces: readonly Piece[]): boolean {
  return pieces.some((piece) => piece === ID || (typeof piece === 'object' && piece.kind === 'maybe' && holdsId(piece.pieces)));
}

const END_MARKS = ['<|im_end|>', '<|eot_id|>', '<|end|>', '<end_of_turn>', '<|end_of_text|>'];

/** Marks that end a turn and that the file may not have made its end token. */
function endMarks(template: string, eosToken: string, harmony: boolean): readonly string[] {
  return harmony ? [] : END_MARKS.filter((mark) => mark !== eosToken && template.includes(mark));
}
