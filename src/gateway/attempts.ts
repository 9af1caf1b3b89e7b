/** From a route to an answer: targets in order, retries, fallback, one deadline for all of it. */
import { Abort, pause } from '../core/abort.ts';
import type { Signal } from '../core/abort.ts';
import type { Attempt, Call, Reply } from '../core/call.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import { until } from './admission.ts';
import { shown, startAttempt } from './attempt.ts';
import type { Attempted } from './attempt.ts';
import { orderTargets } from './balance.ts';
import { continued, continuing, mayContinue } from './continue.ts';
import type { HealthBook, Ticket } from './health.ts';
import { firstToAnswer } from './hedge.ts';
import type { Line } from './line.ts';
import { isLocal } from './route.ts';
import type { Route, RouteTarget } from './route.ts';
import { isWithheld, peeked } from './withheld.ts';
import { verdictOf } from './verdict.ts';
import { createLastFailures, nobodyReady } from './nobody-ready.ts';
import type { LastFailures } from './nobody-ready.ts';

export interface AttemptsParts {
  readonly health: HealthBook;
  readonly random: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** For targets that take only so many requests at once. */
  readonly line: Line;
}

/** The first wait is up to this long, each next one up to twice as much. */
const FIRST_WAIT_MS = 250;

/**
 * Answers a call by a route. Resolves with the first output of a target, rejects with the last failure where none has any.
 * The whole request, waits included, ends after `wholeMs`, or when the client leaves.
 */
export function createAttempts(parts: AttemptsParts): (route: Route, call: Call) => Promise<Reply> {
  const last = createLastFailures();
  return async (route, given) => {
    const { wholeMs } = route.policy;
    const deadline = wholeMs === 0 ? undefined : new Deadline(given.signal, wholeMs);
    const call = deadline ? { ...given, signal: deadline } : given;
    const { health, now, random, line } = parts;
    const work = { health, now, random, line, route, call, last, endsAt: deadline ? now() + wholeMs : Infinity };
    try {
      const reply = goingOn(await answer(work), work);
      if (!deadline) return reply;
      return until(reply, () => deadline.done());
    } catch (cause) {
      deadline?.done();
      throw cause;
    }
  };
}

interface Work extends AttemptsParts {
  readonly route: Route;
  readonly call: Call;
  /** For those who come while a target rests. */
  readonly last: LastFailures;
  /** By the clock: when the time for the whole request is over. */
  readonly endsAt: number;
}

/** What is known of a target for this request. */
interface Prospect {
  readonly target: RouteTarget;
  /** Never again for this request. */
  out: boolean;
  tried: boolean;
  /** By the clock: not before this. */
  notBefore: number;
}

async function answer(work: Work): Promise<Reply> {
  const { route, call, health, random } = work;
  const order = orderTargets(route, { call, health, random });
  const prospects = order.map((target): Prospect => ({ target, out: false, tried: false, notBefore: 0 }));
  let withheld: { readonly reply: Reply; readonly by: Attempt | undefined } | undefined;
  let failure: GatewayError | undefined;
  /** Behind this target a place has become free while this request waited. */
  let calledTo: string | undefined;
  for (let made = 0, rounds = 0; made < route.policy.attempts;) {
    const opened = open(work, prospects);
    passOn(calledTo, opened, work);
    calledTo = undefined;
    if (!('attempted' in opened)) {
      const again = await ready(opened, { work, prospects, rounds });
      if (again === false) break;
      if (again !== true) calledTo = again;
      rounds++;
      continue;
    }
    made++;
    const { prospect, attempted } = opened;
    try {
      const reply = await firstToAnswer(attempted, () => second(work, prospects, attempted), work);
      const seen = route.policy.onContentFilter ? await peeked(reply) : reply;
      if (!route.policy.onContentFilter || !isWithheld(seen)) {
        if (withheld) letGo(withheld.reply);
        return seen;
      }
      const { answeredBy } = call.trace;
      if (withheld) letGo(seen);
      else withheld = { reply: seen, by: answeredBy };
      for (const one of prospects) if (one.target.key === answeredBy?.target) one.out = true;
    } catch (cause) {
      failure = toGatewayError(cause);
      call.signal.throwIfAborted();
      if (judge(failure, { work, prospects, prospect }) === 'final') break;
    }
  }
  if (withheld) {
    if (withheld.by) call.trace.answeredBy = withheld.by;
    return withheld.reply;
  }
  throw failure ?? nobodyReady(route, work);
}

/** The same reply, which another target continues where the first one breaks off and the route allows it. */
function goingOn(reply: Reply, work: Work): Reply {
  const { route, call } = work;
  if (!route.policy.continues || reply.kind === 'full' || !mayContinue(call.request)) return reply;
  const resume = async (text: string): Promise<Reply> => {
    const { attempts: made } = call.trace;
    const broken = call.trace.answeredBy?.target;
    const targets = route.targets.filter(({ key }) => key !== broken);
    const attempts = route.policy.attempts - made.length;
    if (targets.length === 0 || attempts < 1) throw new GatewayError('upstream', 'Nobody is left to go on.');
    const rest = { ...route, targets, policy: { ...route.policy, attempts } };
    return answer({ ...work, route: rest, call: { ...call, request: continuing(call.request, text) } });
  };
  return { ...reply, batches: continued(reply.batches, call, resume) };
}

/** A reply that nobody will read. */
function letGo(reply: Reply): void {
  if (reply.kind === 'full') return;
  reply.batches[Symbol.asyncIterator]()
    .return?.()
    .then(undefined, () => undefined);
}

interface Waiting {
  readonly work: Work;
  readonly prospects: readonly Prospect[];
  readonly rounds: number;
}

/** Who was called to a target and neither takes the place nor waits for it again leaves it to the next. */
function passOn(key: string | undefined, opened: Opened | Closed, { line }: Work): void {
  if (key === undefined) return;
  const wanted = 'attempted' in opened ? [opened.prospect.target.key] : opened.busy;
  if (!wanted.includes(key)) line.freed(key);
}

/** Waits until a target may be asked (again), and gives the one that was waited for in line; false where none will be soon enough. */
async function ready({ busy, waitMs }: Closed, { work, prospects, rounds }: Waiting): Promise<string | boolean> {
  const { route, call, random, line, now, endsAt } = work;
  const { maxWaitMs } = route.policy;
  // a wait that the time for the whole request cuts short would end in a time-out, which says less than the failure
  const soon = waitMs !== undefined && waitMs <= maxWaitMs && now() + waitMs < endsAt;
  if (!soon) return (busy.length > 0 && (await line.wait(busy, maxWaitMs, call.signal))) || false;
  // drawn on top: those who were told the same time must not all come back in the same moment
  const retryAt = now() + waitMs + random() * Math.min(maxWaitMs, FIRST_WAIT_MS * 2 ** rounds);
  const calledTo = busy.length > 0 ? await line.wait(busy, retryAt - now(), call.signal) : undefined;
  if (calledTo !== undefined) return calledTo;
  // also where the line is too long to stand in
  const restMs = retryAt - now();
  if (restMs > 0) await pause(restMs, call.signal);
  for (const prospect of prospects) prospect.tried = false;
  return true;
}

/** Marks what may still be tried; `final` where nothing else would help. */
function judge(
  failure: GatewayError,
  { work, prospects, prospect }: { readonly work: Work; readonly prospects: readonly Prospect[]; readonly prospect: Prospect },
): 'final' | 'open' {
  const { now, call, route } = work;
  prospect.tried = true;
  switch (verdictOf(failure, call, route.policy)) {
    case 'final':
      return 'final';
    case 'elsewhere':
      prospect.out = true;
      break;
    case 'larger': {
      const reached = prospect.target.target.card.contextWindow;
      for (const other of prospects) {
        const size = other.target.target.card.contextWindow;
        if (other === prospect || size === undefined || reached === undefined || size <= reached) other.out = true;
      }
      break;
    }
    case 'again':
      // an engine of ours has its own queue and its own restarts; what broke it once would break it again
      prospect.out = isLocal(prospect.target);
      prospect.notBefore = now() + (failure.retryAfterMs ?? 0);
      break;
  }
  return prospects.every(({ out }) => out) ? 'final' : 'open';
}

interface Opened {
  readonly prospect: Prospect;
  readonly attempted: Attempted;
}

/** Nobody can be asked now. */
interface Closed {
  /** Targets at the limit of what they take at once. */
  readonly busy: readonly string[];
  /** Until one that has failed may be asked again; undefined where there is none. */
  readonly waitMs: number | undefined;
}

/** Starts an attempt at the first target that is ready: those that were not asked yet before those that were. */
function open(work: Work, prospects: readonly Prospect[]): Opened | Closed {
  const busy: string[] = [];
  let waitMs: number | undefined;
  for (const prospect of prospects) {
    if (prospect.out) continue;
    const early = prospect.notBefore - work.now();
    // one that has just failed waits for its turn even where no other is left
    if (prospect.tried || early > 0) {
      waitMs = Math.min(waitMs ?? Infinity, Math.max(0, early));
      continue;
    }
    const entry = work.health.enter(prospect.target);
    if (entry.ok) return { prospect, attempted: start(work, prospect, { ticket: entry.ticket, hedge: false }) };
    if (entry.why === 'busy') busy.push(prospect.target.key);
    // a limit passes as its owner says; what has failed is left alone
    else if (entry.why === 'limited') waitMs = Math.min(waitMs ?? Infinity, entry.retryAfterMs);
  }
  return { busy, waitMs };
}

function start(
  { call, route, now, line, last }: Work,
  { target }: Prospect,
  how: { readonly ticket: Ticket; readonly hedge: boolean },
): Attempted {
  const ended = (outcome: Attempt['outcome'], error: GatewayError | undefined): void => {
    line.freed(target.key);
    if (outcome === 'answered') last.note(target.key);
    else if (outcome === 'failed' && error) last.note(target.key, error);
  };
  return startAttempt({ call, target, ...how, drains: route.policy.drains, now, ended });
}

/** A second target beside one that is late: another one than the first, not asked yet, and ready now. */
function second(work: Work, prospects: readonly Prospect[], first: Attempted): Attempted | undefined {
  for (const prospect of prospects) {
    if (prospect.out || prospect.tried || prospect.target === first.target || prospect.notBefore > work.now()) continue;
    const entry = work.health.enter(prospect.target);
    if (!entry.ok) continue;
    prospect.tried = true;
    const attempted = start(work, prospect, { ticket: entry.ticket, hedge: true });
    // where both fail the first one's failure decides, but a target that has refused our account is not asked again
    attempted.reply.catch((cause: unknown) => judge(toGatewayError(cause), { work, prospects, prospect }));
    return attempted;
  }
  return undefined;
}

/** A signal that fires with another one, and when the time for the whole request is over. */
class Deadline extends Abort {
  readonly #outer: Signal;
  readonly #follow = (): void => this.#end(this.#outer.reason);
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(outer: Signal, wholeMs: number) {
    super();
    this.#outer = outer;
    if (outer.aborted) {
      this.abort(outer.reason);
      return;
    }
    outer.addEventListener('abort', this.#follow);
    this.#timer = setTimeout(() => this.#end(tooLate(wholeMs)), wholeMs);
  }

  /** Takes its timer away; it follows nobody any more. */
  done(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#follow);
  }

  #end(reason: unknown): void {
    // who leaves may never ask for the answer's end
    this.done();
    this.abort(reason);
  }
}

function tooLate(wholeMs: number): GatewayError {
  return new GatewayError('upstream_timeout', `The answer was not complete within ${shown(wholeMs)} (time-out for the whole request).`);
}
