/** What is counted of requests and of the attempts that answered them. */
import type { Registry } from 'prom-client';
import type { Attempt } from '../core/call.ts';
import { GAP_BOUNDS } from '../core/gaps.ts';
import type { FinishedRequest, Observe } from '../gateway/ports.ts';
import type { BoundedNames, Proof } from './bounded-names.ts';
import { attemptOutcome, outcomeOf } from './outcome.ts';
import type { Outcome } from './outcome.ts';
import { createCounter, createHistogram } from './series.ts';
import type { Counter, Distribution, Histogram, Total } from './series.ts';

export interface RequestCounts {
  readonly observe: Observe;
  /** Counts the attempts that went on after their requests, and are over by now. */
  settle(): void;
}

export interface RequestNames {
  /** Names that clients call models by. */
  readonly models: BoundedNames;
  readonly targets: BoundedNames;
}

/** Attempts that go on after their request, to be read to their end for the bill. More than these are not counted. */
const MOST_UNSETTLED = 1000;

/** Answers of models that think take minutes: the conventions' own bounds end at 82 s. */
const WHOLE_BOUNDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];
const FIRST_BOUNDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120, 300];
const PER_TOKEN_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const TOKEN_BOUNDS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

const MODEL = 'gen_ai_request_model';
const PROVIDER = 'gen_ai_provider_name';
/** OpenTelemetry's word for what all of these are. */
const always = { gen_ai_operation_name: 'chat' };

/** An attempt, and what its request says about it. */
interface Tried {
  readonly attempt: Attempt;
  readonly model: string;
  readonly reason: 'first' | 'retry' | 'fallback' | 'hedge';
}

interface Instruments {
  readonly requests: Counter;
  readonly cache: Counter;
  readonly attempts: Counter;
  readonly whole: Histogram;
  readonly first: Histogram;
  readonly perToken: Histogram;
  readonly gaps: Histogram;
  readonly attempt: Histogram;
  readonly usage: Histogram;
  readonly tokens: Readonly<Record<'input' | 'output' | 'cacheRead' | 'cacheWrite' | 'reasoning', Counter>>;
}

function createInstruments(registry: Registry): Instruments {
  const counter = (name: string, help: string, labels: readonly string[]): Counter => createCounter(registry, { name, help, labels });
  const tokens = (kind: string, help: string): Counter =>
    createCounter(registry, { name: `gen_ai_client_inference_usage_${kind}_tokens_total`, help, labels: [MODEL, PROVIDER], always });
  const seconds = (what: string, help: string, [bounds, ...labels]: readonly [readonly number[], ...string[]]): Histogram =>
    createHistogram(registry, { name: `gen_ai_${what}_seconds`, help, labels: [MODEL, PROVIDER, ...labels], always }, bounds);
  return {
    requests: counter('parlance_requests_total', 'Requests by how they ended, those for other things than completions too.', [
      'route',
      MODEL,
      PROVIDER,
      'outcome',
    ]),
    whole: seconds('server_request_duration', 'From the head of a completion’s request to the last byte of its answer.', [
      WHOLE_BOUNDS,
      'error_type',
    ]),
    first: seconds('server_time_to_first_token', 'From the head of a completion’s request to the first output that went out.', [
      FIRST_BOUNDS,
    ]),
    perToken: seconds(
      'server_time_per_output_token',
      'Of answers that came piece by piece to their end: the time after the first output, divided by the tokens after the first.',
      [PER_TOKEN_BOUNDS],
    ),
    gaps: seconds('client_operation_time_per_output_chunk', 'Between two outputs of a stream, as they came from the model.', [GAP_BOUNDS]),
    attempts: counter(
      'parlance_attempts_total',
      'Attempts at targets: the `first` of a request, a `retry` at the same target, a `fallback` to another, or a `hedge` beside one that was slow.',
      ['target', PROVIDER, 'reason', 'outcome'],
    ),
    attempt: seconds('client_operation_duration', 'From the start of an attempt at a target to its end.', [WHOLE_BOUNDS, 'error_type']),
    usage: createHistogram(
      registry,
      {
        name: 'gen_ai_client_token_usage',
        help: 'Tokens of one attempt, as its target counted them.',
        labels: [MODEL, PROVIDER, 'gen_ai_token_type'],
        always,
      },
      TOKEN_BOUNDS,
    ),
    tokens: {
      input: tokens('input', 'Tokens of prompts, those of a cache included.'),
      output: tokens('output', 'Tokens of answers, those of reasoning included.'),
      cacheRead: tokens('cache_read_input', 'Of the prompts’ tokens, those that the provider or engine had in a cache.'),
      cacheWrite: tokens('cache_write_input', 'Of the prompts’ tokens, those that the provider wrote to a cache.'),
      reasoning: tokens('reasoning_output', 'Of the answers’ tokens, those of reasoning.'),
    },
    cache: counter('parlance_cache_requests_total', 'Completions that the cache of answers was asked for.', [MODEL, 'result']),
  };
}

/** Everything that is counted of one model at one provider, each made when it is counted for the first time. */
interface Counts {
  /** By route and outcome. */
  readonly requests: (route: string) => (outcome: string) => Total;
  readonly whole: (outcome: string) => Distribution;
  readonly first: () => Distribution;
  readonly perToken: () => Distribution;
  readonly gaps: () => Distribution;
  readonly attempt: (outcome: string) => Distribution;
  readonly promptUsage: () => Distribution;
  readonly completionUsage: () => Distribution;
  readonly tokens: Readonly<Record<keyof Instruments['tokens'], () => Total>>;
}

function countsOf(to: Instruments, model: string, provider: string): Counts {
  const both = [model, provider];
  const failed = (outcome: string): string => (outcome === 'ok' ? '' : outcome);
  return {
    requests: byName((route) => byName((outcome) => to.requests.of([route, ...both, outcome]))),
    whole: byName((outcome) => to.whole.of([...both, failed(outcome)])),
    first: once(() => to.first.of(both)),
    perToken: once(() => to.perToken.of(both)),
    gaps: once(() => to.gaps.of(both)),
    attempt: byName((outcome) => to.attempt.of([...both, failed(outcome)])),
    promptUsage: once(() => to.usage.of([...both, 'input'])),
    completionUsage: once(() => to.usage.of([...both, 'output'])),
    tokens: {
      input: once(() => to.tokens.input.of(both)),
      output: once(() => to.tokens.output.of(both)),
      cacheRead: once(() => to.tokens.cacheRead.of(both)),
      cacheWrite: once(() => to.tokens.cacheWrite.of(both)),
      reasoning: once(() => to.tokens.reasoning.of(both)),
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** As many are kept as there are names, which are bounded. */
function byName<T>(make: (name: string) => T): (name: string) => T {
  const all = new Map<string, T>();
  return (name) => {
    const there = all.get(name);
    if (there !== undefined) return there;
    const made = make(name);
    all.set(name, made);
    return made;
  };
}

/** Counts every request once, when it is over. */
export function createRequestCounts(registry: Registry, { models, targets }: RequestNames): RequestCounts {
  const to = createInstruments(registry);
  const counts = byName((model) => byName((provider) => countsOf(to, model, provider)));
  const attempts = byName((target) =>
    byName((provider) => byName((reason) => byName((outcome) => to.attempts.of([target, provider, reason, outcome])))),
  );
  const cache = byName((model) => byName((result) => to.cache.of([model, result])));
  let unsettled: Tried[] = [];

  const countAttempt = ({ attempt, model, reason }: Tried): void => {
    const { target, startedAt, endedAt, error, usage } = attempt;
    if (!attempt.outcome) return;
    const provider = attempt.provider ?? 'local';
    const outcome = attemptOutcome(attempt.outcome, error);
    attempts(targets.label(target, proofOf(attempt)))(provider)(reason)(outcome).add(1);
    const of = counts(model)(provider);
    if (endedAt !== undefined) of.attempt(outcome).observe((endedAt - startedAt) / 1000);
    if (!usage) return;
    of.promptUsage().observe(usage.promptTokens);
    of.completionUsage().observe(usage.completionTokens);
    of.tokens.input().add(usage.promptTokens);
    of.tokens.output().add(usage.completionTokens);
    of.tokens.cacheRead().add(usage.cachedTokens);
    of.tokens.reasoning().add(usage.reasoningTokens);
    if (usage.cacheWriteTokens !== undefined) of.tokens.cacheWrite().add(usage.cacheWriteTokens);
  };

  const countTimes = (request: FinishedRequest, of: Counts, outcome: Outcome): void => {
    const { startedAt, endedAt, firstTokenAt, gaps, usage } = request;
    of.whole(outcome).observe((endedAt - startedAt) / 1000);
    if (firstTokenAt !== undefined) of.first().observe((firstTokenAt - startedAt) / 1000);
    if (!gaps || gaps.counts.length === 0) return;
    of.gaps().merge(gaps.counts, gaps.sumMs / 1000);
    const tokens = usage?.completionTokens ?? 0;
    if (outcome !== 'ok' || tokens < 2 || firstTokenAt === undefined) return;
    of.perToken().observe((endedAt - firstTokenAt) / 1000 / (tokens - 1));
  };

  return {
    observe(request) {
      const { route, trace, error, sent } = request;
      const outcome = outcomeOf(error, sent);
      const model = request.model === undefined ? '' : models.label(request.model, proofOfModel(request));
      const last = trace.answeredBy ?? trace.attempts.at(-1);
      const of = counts(model)(last ? (last.provider ?? 'local') : '');
      of.requests(route)(outcome).add(1);
      if (request.model === undefined) return;
      countTimes(request, of, outcome);
      if (trace.cache) cache(model)(trace.cache).add(1);
      for (let at = 0; at < trace.attempts.length; at++) {
        const tried = { attempt: trace.attempts[at] as Attempt, model, reason: reasonOf(trace.attempts, at) };
        if (tried.attempt.outcome) countAttempt(tried);
        else if (unsettled.length < MOST_UNSETTLED) unsettled.push(tried);
      }
    },
    settle() {
      for (const tried of unsettled) countAttempt(tried);
      unsettled = unsettled.filter(({ attempt }) => !attempt.outcome);
    },
  };
}

function reasonOf(attempts: readonly Attempt[], at: number): Tried['reason'] {
  const attempt = attempts[at];
  if (attempt?.hedge) return 'hedge';
  if (at === 0) return 'first';
  return attempts.slice(0, at).some(({ target }) => target === attempt?.target) ? 'retry' : 'fallback';
}

/** Did its target know the model? Providers that take any name find out only when they are asked. */
function proofOf({ firstOutputAt, error }: Attempt): Proof {
  if (firstOutputAt !== undefined) return 'answered';
  return error !== undefined && (error.retryable || error.status >= 500) ? 'failed' : 'none';
}

function proofOfModel({ trace: { cache, attempts }, error }: FinishedRequest): Proof {
  if (cache === 'hit' || (cache === 'shared' && !error)) return 'answered';
  let best: Proof = 'none';
  for (const attempt of attempts) {
    const proof = proofOf(attempt);
    if (proof === 'answered') return proof;
    if (proof === 'failed') best = proof;
  }
  return best;
}
