/**
 * Limits and budgets: before its first attempt a request takes from all counters that apply to it, in one step, what it may
 * use at most; when it is over it keeps what it used, and the rest is given back.
 */
import type { Call, CallTrace, Layer } from '../core/call.ts';
import type { ChatRequest } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import type { Limits } from './accounts.ts';
import { applyingBudgets, applyingLimits } from './applying.ts';
import type { Applying, Asking, BudgetCounter } from './applying.ts';
import { endUserOf } from './books.ts';
import type { Books, Tab } from './books.ts';
import { likelyTokens } from './charge.ts';
import { counterId } from './counting.ts';
import type { Directory } from './directory.ts';
import { withDefaults } from './end-user-defaults.ts';
import type { Line } from './line.ts';
import { matcher } from './model-names.ts';
import { estimatePrompt } from './money.ts';
import { beforeEnd } from './over.ts';
import type { Route } from './route.ts';
import type { CounterState, CounterStore, Refusal, Take } from './store-ports.ts';
import { createTurns } from './turns.ts';
import type { Turns } from './turns.ts';
import { budgetReached, limitReached, tightest, worstOf } from './too-much.ts';
import { worstCaseOf } from './worst-case.ts';
import type { WorstCase } from './worst-case.ts';

export interface LimitSettings {
  /** What is done where the worst case of a request does not fit into a budget, but a shorter answer would. */
  readonly onTightBudget: 'refuse' | 'lower';
  /** What an answer without `max_tokens` is limited to where the most that its model can say does not fit, or is not known. */
  readonly answerTokens: number;
  /** How long a request may wait for others to give back what they hold of a budget. Milliseconds. */
  readonly maxWaitMs: number;
  /** So many may wait for that; who would be one more is refused at once. */
  readonly mostWaiting: number;
}

export interface LimitedParts {
  readonly counters: Pick<CounterStore, 'take'>;
  readonly directory: Pick<Directory, 'byKeyId' | 'project' | 'endUser' | 'modelLimits'>;
  readonly books: Books;
  readonly routeOf: (call: Call) => Promise<Route>;
  readonly settings: LimitSettings;
  /** For those who wait for money that others hold. */
  readonly line: Line;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** From 0 to 1. Default: Math.random. */
  readonly random?: () => number;
}

/** A limited answer has at least so many tokens; some providers take no lower limit. */
const LEAST_ANSWER = 16;
/** An answer whose length nobody knows takes at most this part of what a limit has in all. */
const PART_OF_LIMIT = 10n;
/** A budget of which less than this part is spent is as good as new. */
const SMALL_CHANGE = 10n;
/** Money that other processes give back is looked for so often. */
const LOOK_AGAIN_MS = 250;
/** Takes that may fail because others were faster. */
const MOST_ROUNDS = 1000;

/** Throws a GatewayError where a limit is reached, a budget used up, or the end user blocked. */
export function limited(parts: LimitedParts): Layer {
  const { books, directory, routeOf, settings } = parts;
  const turns = createTurns({ now: parts.clock, random: parts.random ?? Math.random });
  return (next) => async (call) => {
    const asking = await askingOf(call, directory);
    refuseBlocked(call, asking);
    const route = await routeOf(call);
    refuseModel(route, asking);
    const models = await directory.modelLimits();
    const prompt = estimatePrompt(call.request);
    const worst = worstCaseOf({ route, request: call.request, prompt });
    const limits = applyingLimits(asking, limitsOfModels(route, models));
    const budgets = applyingBudgets(asking, parts.clock());
    const wanted = wantedTokens(worst, settings);
    const isHeld = limits.length + budgets.length > 0;
    const tokens = isHeld ? await hold({ call, worst, limits, budgets, settings, turns }, parts, wanted) : wanted;

    const { possible, named, choices } = worst;
    const isGuess = named === undefined && possible === undefined;
    const isLowered = tokens < wanted || (isGuess && budgets.length > 0);
    const completionTokens = isLowered || named !== undefined ? tokens * choices : undefined;
    const tab = books.open(call, {
      asking,
      latest: () => askingOf(call, directory),
      route,
      estimate: { promptTokens: likelyTokens(prompt), completionTokens },
    });
    tab.isHeld = isHeld;
    tab.tokens.push(...limits.filter(({ of }) => of === 'tokens'));
    if (budgets.length > 0) tab.closed = () => budgets.forEach(({ counter }) => parts.line.freed(counterId(counter)));
    if (isLowered) call.trace.maxTokens = tokens;
    return answer(isLowered ? { ...call, request: withLimit(call.request, tokens) } : call, { tab, books, next });
  };
}

interface Answering {
  readonly tab: Tab;
  readonly books: Books;
  readonly next: Parameters<Layer>[0];
}

/** The tab is closed by what makes attempts, and here only where nothing of the kind was needed. */
async function answer(call: Call, { tab, books, next }: Answering) {
  const over = async (): Promise<void> => {
    if (!tab.isWorking) await books.close(tab);
  };
  try {
    const reply = await next(call);
    return tab.isWorking ? reply : await beforeEnd(reply, call.signal, over);
  } catch (cause) {
    await over();
    throw cause;
  }
}

/** What is said of the key, its project and the end user. Rejects where that cannot be looked up. */
export async function askingOf(call: Call, directory: Pick<Directory, 'byKeyId' | 'project' | 'endUser'>): Promise<Asking> {
  const { keyId, projectId } = call.principal;
  const account = keyId === undefined ? undefined : await directory.byKeyId(keyId);
  const project = account?.project ?? (projectId === undefined ? undefined : await directory.project(projectId));
  const user = endUserOf(call);
  if (user === undefined || !project) return { key: account?.key, project, endUser: undefined };
  const endUser = withDefaults(await directory.endUser(project.id, user), project, user);
  return { key: account?.key, project, endUser };
}

function refuseBlocked({ request }: Call, { endUser }: Asking): void {
  if (endUser?.blockedAt === undefined) return;
  const param = request.safetyIdentifier === undefined ? 'user' : 'safety_identifier';
  throw new GatewayError('user_blocked', `The end user that '${param}' names is blocked. Whoever administers this server can say why.`, {
    param,
  });
}

/** The patterns of keys and projects are looked at before; those of an end user are like theirs. */
function refuseModel({ name, targets }: Route, { endUser }: Asking): void {
  if (!endUser || endUser.models.length === 0) return;
  const fits = matcher(endUser.models);
  if (fits(name) || targets.every(({ target }) => fits(target.card.id))) return;
  throw new GatewayError('model_not_allowed', `This end user may not use the model '${name.slice(0, 100)}'.`, { param: 'model' });
}

/** Under the name that was asked for, and under that of the model which is asked first. */
function limitsOfModels({ name, targets: [first] }: Route, all: ReadonlyMap<string, Limits>): ReadonlyMap<string, Limits> {
  const names = new Set([name, ...(first ? [first.target.card.id, first.key] : [])]);
  return all.size === 0 ? all : new Map([...all].filter(([model]) => names.has(model)));
}

function wantedTokens({ named, possible }: WorstCase, { answerTokens }: LimitSettings): number {
  if (named !== undefined) return Math.min(named, possible ?? Infinity);
  return possible ?? answerTokens;
}

interface Plan {
  readonly call: Call;
  readonly worst: WorstCase;
  readonly limits: readonly Applying[];
  readonly budgets: readonly Applying<BudgetCounter>[];
  readonly settings: LimitSettings;
  readonly turns: Turns;
}

/** Takes all, with tokens enough for each choice to have so many of them; how many that are in the end. */
async function hold(plan: Plan, { counters, line, clock }: LimitedParts, wanted: number): Promise<number> {
  const { call, limits, budgets, settings, turns } = plan;
  const keys = budgets.map(({ counter }) => counterId(counter));
  const deadline = clock() + settings.maxWaitMs;
  let tokens = wanted;
  let waited = false;
  try {
    for (let round = 1; ; round++) {
      const taken = await counters.take(call.id, turns.behind(takesOf(plan, tokens)));
      noteLimits(call.trace, taken.states, limits);
      if (taken.ok) return tokens;
      const { refusals } = taken;
      const lower = round < MOST_ROUNDS ? lowered(plan, refusals, tokens) : undefined;
      const waitMs = Math.min(deadline - clock(), LOOK_AGAIN_MS);
      const mayWait = waitMs > 0 && round < MOST_ROUNDS && line.waiting() < settings.mostWaiting && refusals.every(isContended);
      if (lower && (lower.isEnough || !mayWait)) {
        tokens = lower.tokens;
        continue;
      }
      if (!mayWait) throw refusalOf(plan, refusals, { tokens, now: clock() });
      waited = true;
      // what others give back may make room for the whole of it
      tokens = wanted;
      await line.wait(keys, waitMs, call.signal);
    }
  } finally {
    // the next one in line looks whether there is room for it as well
    if (waited) for (const key of keys) line.freed(key);
  }
}

function takesOf({ worst, limits, budgets, settings }: Plan, tokens: number): readonly Take[] {
  const cost = budgets.length > 0 ? worst.costOf(tokens) : 0n;
  return [
    ...limits.map(({ counter, of }): Take => {
      const limit = BigInt(counter.limit);
      return { counter, amount: of === 'tokens' ? tokensHeld(worst, settings, limit) : 1n };
    }),
    ...budgets.map(({ counter }): Take => ({ counter, amount: cost })),
  ];
}

/**
 * Of a limit on tokens: the prompt, and what the answer may have. An answer never asks for more than there is in all, so that it
 * is let in by an unused limit; a prompt that is larger than the limit is not.
 */
function tokensHeld({ promptTokens, named, possible, choices }: WorstCase, { answerTokens }: LimitSettings, limit: bigint): bigint {
  const prompt = BigInt(promptTokens);
  if (prompt > limit) return prompt;
  const most = BigInt(Math.min(named ?? answerTokens, possible ?? Infinity)) * BigInt(choices);
  const bound = named === undefined ? limit / PART_OF_LIMIT : limit;
  const answer = most < bound ? most : bound;
  return prompt + answer < limit ? prompt + answer : limit;
}

/** It would fit if others, who are still at work, used nothing of what they hold. */
function isContended({ counter, retryAfterMs, remaining, held = 0n }: Refusal): boolean {
  return counter.kind === 'budget' && retryAfterMs !== undefined && held > 0n && remaining + held > 0n;
}

interface Lowered {
  readonly tokens: number;
  /** As long as answers mostly are: nothing to wait for. */
  readonly isEnough: boolean;
}

/** A length that fits into what the budgets have left; undefined where none does, or it is not to be lowered. */
function lowered({ worst, settings }: Plan, refusals: readonly Refusal[], tokens: number): Lowered | undefined {
  if (!refusals.every(({ counter }) => counter.kind === 'budget')) return undefined;
  const fits = worst.fitting(leastOf(refusals), tokens - 1);
  const { named } = worst;
  const enough = Math.min(settings.answerTokens, tokens);
  // what the client did not ask for it is not refused for
  if (named === undefined && fits >= enough) return { tokens: enough, isEnough: true };
  const mayLower = settings.onTightBudget === 'lower' || (named === undefined && refusals.every(isNearlyUnused));
  if (!mayLower || fits < Math.min(LEAST_ANSWER, tokens)) return undefined;
  return { tokens: fits, isEnough: fits >= enough };
}

/** No more than small change was spent of it. */
function isNearlyUnused({ counter, remaining, held = 0n }: Refusal): boolean {
  const limit = BigInt(counter.limit);
  return (limit - remaining - held) * SMALL_CHANGE <= limit;
}

function leastOf(refusals: readonly Refusal[]): bigint {
  return refusals.reduce((least, { remaining }) => (remaining < least ? remaining : least), refusals[0]?.remaining ?? 0n);
}

function refusalOf(
  plan: Plan,
  refusals: readonly Refusal[],
  { tokens, now }: { readonly tokens: number; readonly now: number },
): GatewayError {
  const { limits, budgets, worst, turns } = plan;
  const takes = takesOf(plan, tokens);
  const refusal = worstOf(turns.told(refusals, takes));
  const id = refusal && counterId(refusal.counter);
  const of = [...limits, ...budgets].find(({ counter }) => counterId(counter) === id);
  const amount = takes.find(({ counter }) => counterId(counter) === id)?.amount ?? 0n;
  if (!refusal || !of) throw new Error('a refusal without a reason');
  if (of.of !== 'money') return limitReached({ refusal, of, amount });
  return budgetReached({ refusal, of, amount, fits: worst.fitting(leastOf(refusals), tokens) }, now);
}

function noteLimits(trace: CallTrace, states: readonly CounterState[], limits: readonly Applying[]): void {
  const requests = tightest(states, limits, 'requests');
  const tokens = tightest(states, limits, 'tokens');
  if (requests || tokens) trace.limits = { ...(requests ? { requests } : {}), ...(tokens ? { tokens } : {}) };
}

/** In the client's own spelling, so that nobody takes it for the same request as before. */
function withLimit(request: ChatRequest, maxTokens: number): ChatRequest {
  const spelled = request.raw['max_completion_tokens'] == null ? 'max_tokens' : 'max_completion_tokens';
  return { ...request, maxTokens, raw: { ...request.raw, [spelled]: maxTokens } };
}
