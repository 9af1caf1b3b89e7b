/**
 * Limits and budgets: before its first attempt a request takes from all counters that apply to it, in one step, what it may
 * use at most; when it is over it keeps what it used, and the rest is given back.
 */
import type { Call, Layer, Reply } from '../core/call.ts';
import type { ChatRequest } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import type { EndUser, Limits } from './accounts.ts';
import { applyingBudgets, applyingLimits, asksAs } from './applying.ts';
import type { Applying, Asking, BudgetCounter } from './applying.ts';
import { endUserOf } from './books.ts';
import type { Books, Tab } from './books.ts';
import { likelyTokens } from './charge.ts';
import { counterId } from './counting.ts';
import type { Account, Directory } from './directory.ts';
import { withDefaults } from './end-user-defaults.ts';
import type { Line } from './line.ts';
import { matcher } from './model-names.ts';
import { estimatePrompt } from './money.ts';
import { beforeEnd } from './over.ts';
import type { Route } from './route.ts';
import type { CounterStore, Refusal, Take, Taken } from './store-ports.ts';
import { createTurns } from './turns.ts';
import type { Turns } from './turns.ts';
import { budgetReached, limitReached, tightest, worstOf } from './too-much.ts';
import { fittingTokens, worstCaseOf, worstCostOf } from './worst-case.ts';
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
  readonly routeOf: (call: Call) => Soon<Route>;
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
const PART_OF_LIMIT = 10;
/** A budget of which less than this part is spent is as good as new. */
const SMALL_CHANGE = 10n;
/** Money that other processes give back is looked for so often. */
const LOOK_AGAIN_MS = 250;
/** Takes that may fail because others were faster. */
const MOST_ROUNDS = 1000;

/** Rejects with a GatewayError where a limit is reached, a budget used up, or the end user blocked. */
export function limited(parts: LimitedParts): Layer {
  const { books, directory, routeOf, settings, line } = parts;
  const holding: Holding = { ...parts, turns: createTurns({ now: parts.clock, random: parts.random ?? Math.random }) };
  const latest = (call: Call): Soon<Asking> => askingOf(call, directory);
  const closed = ({ budgets }: Tab): void => {
    if (line.waiting() > 0) for (const { counter } of budgets) line.freed(counterId(counter));
  };
  const admit = (call: Call, { asking, route, models }: Admitting): Soon<Tab> => {
    const prompt = estimatePrompt(call.request);
    const worst = worstCaseOf({ route, request: call.request, prompt });
    const at = parts.clock();
    const limits = applyingLimits(asking, limitsOfModels(route, models));
    const budgets = applyingBudgets(asking, at);
    const wanted = wantedTokens(worst, settings);
    const isHeld = limits.length + budgets.length > 0;
    const plan = { call, asking, worst, limits, budgets, wanted, isHeld, at };
    const tokens = isHeld ? hold(plan, holding) : wanted;
    return tokens instanceof Promise ? tokens.then((some) => opened(plan, some)) : opened(plan, tokens);
  };
  const opened = ({ call, asking, worst, limits, budgets, wanted, isHeld }: Plan, tokens: number): Tab => {
    const { route, prompt, possible, named, choices } = worst;
    const isGuess = named === undefined && possible === undefined;
    const isLowered = tokens < wanted || (isGuess && budgets.length > 0);
    const completionTokens = isLowered || named !== undefined ? tokens * choices : undefined;
    const estimate = { promptTokens: likelyTokens(prompt), completionTokens };
    if (isLowered) call.trace.maxTokens = tokens;
    const admitted = isLowered ? { ...call, request: withLimit(call.request, tokens) } : call;
    return books.open(admitted, { asking, latest, route, estimate, limits, budgets, isHeld, closed });
  };
  return (next) => async (call) => {
    // waited for only where it is not there: each wait costs as much as all that is counted
    const found = askingOf(call, directory);
    const asking = found instanceof Promise ? await found : found;
    refuseBlocked(call, asking);
    const routing = routeOf(call);
    const route = routing instanceof Promise ? await routing : routing;
    refuseModel(route, asking);
    const asked = directory.modelLimits();
    const models = asked instanceof Promise ? await asked : asked;
    const admitting = admit(call, { asking, route, models });
    const tab = admitting instanceof Promise ? await admitting : admitting;
    try {
      const reply = await next(tab.call);
      // it is closed by what makes attempts, and here only where nothing of the kind was needed
      return tab.isWorking ? reply : await closedBefore(reply, tab, books);
    } catch (cause) {
      const closing = closeIdle(tab, books);
      if (closing) await closing;
      throw cause;
    }
  };
}

interface Admitting {
  readonly asking: Asking;
  readonly route: Route;
  readonly models: ReadonlyMap<string, Limits>;
}

function closedBefore(reply: Reply, tab: Tab, books: Books): Soon<Reply> {
  return beforeEnd(reply, tab.call.signal, () => closeIdle(tab, books));
}

function closeIdle(tab: Tab, books: Books): Soon<void> {
  return tab.isWorking ? undefined : books.close(tab);
}

/** What is said of the key, its project and the end user. Fails where that cannot be looked up. */
export function askingOf(call: Call, directory: Pick<Directory, 'byKeyId' | 'project' | 'endUser'>): Soon<Asking> {
  const { keyId, projectId } = call.principal;
  const account = keyId === undefined ? undefined : directory.byKeyId(keyId);
  if (account instanceof Promise) return account.then((found) => askingAs(call, directory, { account: found, projectId }));
  return askingAs(call, directory, { account, projectId });
}

interface Owner {
  readonly account: Account | undefined;
  readonly projectId: string | undefined;
}

function askingAs(call: Call, directory: Pick<Directory, 'project' | 'endUser'>, { account, projectId }: Owner): Soon<Asking> {
  if (account) return withEndUser(call, directory, asksAs(account.key, account.project));
  const project = projectId === undefined ? undefined : directory.project(projectId);
  if (project instanceof Promise) return project.then((found) => withEndUser(call, directory, asksAs(undefined, found)));
  return withEndUser(call, directory, asksAs(undefined, project));
}

function withEndUser(call: Call, directory: Pick<Directory, 'endUser'>, asking: Asking): Soon<Asking> {
  const { project } = asking;
  const user = endUserOf(call);
  if (user === undefined || !project) return asking;
  const own = directory.endUser(project.id, user);
  if (own instanceof Promise) return own.then((found) => behind(asking, withDefaults(found, project, user)));
  return behind(asking, withDefaults(own, project, user));
}

function behind(asking: Asking, endUser: EndUser | undefined): Asking {
  return endUser ? asksAs(asking.key, asking.project, endUser) : asking;
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
  if (all.size === 0) return all;
  const names = new Set([name, ...(first ? [first.target.card.id, first.key] : [])]);
  return new Map([...all].filter(([model]) => names.has(model)));
}

function wantedTokens({ named, possible }: WorstCase, { answerTokens }: LimitSettings): number {
  if (named !== undefined) return Math.min(named, possible ?? Infinity);
  return possible ?? answerTokens;
}

/** What requests are held with. */
interface Holding extends Pick<LimitedParts, 'counters' | 'settings' | 'line' | 'clock'> {
  readonly turns: Turns;
}

interface Plan {
  readonly call: Call;
  readonly asking: Asking;
  readonly worst: WorstCase;
  readonly limits: readonly Applying[];
  readonly budgets: readonly Applying<BudgetCounter>[];
  /** Tokens that each choice should have. */
  readonly wanted: number;
  readonly isHeld: boolean;
  /** Unix milliseconds. */
  readonly at: number;
}

/** Takes all, with tokens enough for each choice to have so many of them; how many that are in the end. */
function hold(plan: Plan, holding: Holding): Soon<number> {
  const taken = takeAll(plan, holding, plan.wanted);
  if (taken instanceof Promise) return taken.then((first) => (noted(plan, first).ok ? plan.wanted : insist(plan, holding, first)));
  return noted(plan, taken).ok ? plan.wanted : insist(plan, holding, taken);
}

function takeAll(plan: Plan, { counters, settings, turns }: Holding, tokens: number): Soon<Taken> {
  return counters.take(plan.call.id, turns.behind(takesOf(plan, settings, tokens)));
}

function noted({ call, limits }: Plan, taken: Taken): Taken {
  const found = tightest(taken.states, limits);
  if (found) call.trace.limits = found;
  return taken;
}

/** Tries again with less, or when others have given back what is missing. `first`: what came of the first try. */
async function insist(plan: Plan, holding: Holding, first: Taken): Promise<number> {
  const { call, budgets, wanted, at } = plan;
  const { line, settings, clock } = holding;
  const keys = budgets.map(({ counter }) => counterId(counter));
  const deadline = at + settings.maxWaitMs;
  let tokens = wanted;
  let taken = first;
  let waited = false;
  try {
    for (let round = 1; ; round++) {
      if (taken.ok) return tokens;
      const { refusals } = taken;
      const lower = round < MOST_ROUNDS ? lowered(plan, settings, { refusals, tokens }) : undefined;
      const waitMs = Math.min(deadline - clock(), LOOK_AGAIN_MS);
      const mayWait = waitMs > 0 && round < MOST_ROUNDS && line.waiting() < settings.mostWaiting && refusals.every(isContended);
      if (lower && (lower.isEnough || !mayWait)) {
        tokens = lower.tokens;
      } else if (mayWait) {
        waited = true;
        // what others give back may make room for the whole of it
        tokens = wanted;
        await line.wait(keys, waitMs, call.signal);
      } else {
        throw refusalOf(plan, holding, { refusals, tokens });
      }
      taken = noted(plan, await takeAll(plan, holding, tokens));
    }
  } finally {
    // the next one in line looks whether there is room for it as well
    if (waited) for (const key of keys) line.freed(key);
  }
}

function takesOf({ worst, limits, budgets }: Plan, { answerTokens }: LimitSettings, tokens: number): readonly Take[] {
  const counted = limits.map(({ counter, of }): Take => {
    return { counter, amount: of === 'tokens' ? BigInt(tokensHeld(worst, answerTokens, Number(counter.limit))) : 1n };
  });
  if (budgets.length === 0) return counted;
  const amount = worstCostOf(worst, tokens);
  return [...counted, ...budgets.map(({ counter }): Take => ({ counter, amount }))];
}

/**
 * Of a limit on tokens: the prompt, and what the answer may have. An answer never asks for more than there is in all, so that it
 * is let in by an unused limit; a prompt that is larger than the limit is not.
 */
function tokensHeld({ promptTokens, named, possible, choices }: WorstCase, answerTokens: number, limit: number): number {
  if (promptTokens > limit) return promptTokens;
  const most = Math.min(named ?? answerTokens, possible ?? Infinity) * choices;
  const bound = named === undefined ? Math.floor(limit / PART_OF_LIMIT) : limit;
  return Math.min(promptTokens + Math.min(most, bound), limit);
}

/** It would fit if others, who are still at work, used nothing of what they hold. */
function isContended({ counter, retryAfterMs, remaining, held = 0n }: Refusal): boolean {
  return counter.kind === 'budget' && retryAfterMs !== undefined && held > 0n && remaining + held > 0n;
}

interface Misfits {
  readonly refusals: readonly Refusal[];
  /** For which it was tried. */
  readonly tokens: number;
}

interface Lowered {
  readonly tokens: number;
  /** As long as answers mostly are: nothing to wait for. */
  readonly isEnough: boolean;
}

/** A length that fits into what the budgets have left; undefined where none does, or it is not to be lowered. */
function lowered({ worst }: Plan, settings: LimitSettings, { refusals, tokens }: Misfits): Lowered | undefined {
  if (!refusals.every(({ counter }) => counter.kind === 'budget')) return undefined;
  const fits = fittingTokens(worst, leastOf(refusals), tokens - 1);
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

function refusalOf(plan: Plan, { settings, turns, clock }: Holding, { refusals, tokens }: Misfits): GatewayError {
  const { limits, budgets, worst } = plan;
  const takes = takesOf(plan, settings, tokens);
  const refusal = worstOf(turns.told(refusals, takes));
  const id = refusal && counterId(refusal.counter);
  const of = [...limits, ...budgets].find(({ counter }) => counterId(counter) === id);
  const amount = takes.find(({ counter }) => counterId(counter) === id)?.amount ?? 0n;
  if (!refusal || !of) throw new Error('a refusal without a reason');
  if (of.of !== 'money') return limitReached({ refusal, of, amount });
  return budgetReached({ refusal, of, amount, fits: fittingTokens(worst, leastOf(refusals), tokens) }, clock());
}

/** In the client's own spelling, so that nobody takes it for the same request as before. */
function withLimit(request: ChatRequest, maxTokens: number): ChatRequest {
  const spelled = request.raw['max_completion_tokens'] == null ? 'max_tokens' : 'max_completion_tokens';
  return { ...request, maxTokens, raw: { ...request.raw, [spelled]: maxTokens } };
}
