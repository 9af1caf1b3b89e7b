/** Asks targets that have rested whether they answer again, so that no client's request has to find out. */
import type { Call, Target } from '../core/call.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import { parseChatRequest } from '../protocols/openai-chat/accept.ts';
import type { HealthBook, HealthChange } from './health.ts';
import { DEFAULT_TIMEOUTS } from './route.ts';
import type { RouteTarget } from './route.ts';

export interface ProberParts {
  readonly health: HealthBook;
  /** The target of this key, as it is configured now. */
  readonly find: (key: string) => Promise<Target | undefined>;
  /** Milliseconds that a probe may take; 0: none is sent. Asked before each. */
  readonly withinMs: () => number;
  readonly now: () => number;
  /** Told of each probe, with what it failed with. */
  readonly probed: (key: string, error?: GatewayError) => void;
}

export interface Prober {
  /** To be told of every change in the state of a target that was decided here. */
  heed(change: HealthChange): void;
  /** Gives up probes that run and sends no more. */
  close(): void;
}

/** Keys come from clients where a provider takes any model's name: those beyond this many are left to the clients. */
const MOST_PROBED = 256;

export function createProber(parts: ProberParts): Prober {
  const timers = new Map<string, NodeJS.Timeout>();
  const ending = new AbortController();

  const forget = (key: string): void => {
    clearTimeout(timers.get(key));
    timers.delete(key);
  };
  const probeIn = (key: string, ms: number): void => {
    forget(key);
    if (ending.signal.aborted || timers.size >= MOST_PROBED) return;
    timers.set(key, setTimeout(() => void look(key), ms).unref());
  };
  const look = async (key: string): Promise<void> => {
    timers.delete(key);
    try {
      const next = await probe(key, parts, ending.signal);
      if (next === 'never') forget(key);
      else if (next !== undefined) probeIn(key, next);
    } catch (cause) {
      parts.probed(key, toGatewayError(cause));
    }
  };

  return {
    heed({ key, state, forMs }) {
      if (state === 'closed' || parts.withinMs() === 0) forget(key);
      else probeIn(key, forMs);
    },
    close() {
      ending.abort(new GatewayError('cancelled', 'The server is stopping.'));
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

/** The shortest question and the shortest answer there are. */
const QUESTION = { messages: [{ role: 'user', content: 'Hi' }], max_completion_tokens: 1 };

/** There is no such model, and asking again and again would not bring it about: somebody may have misspelt a name. */
const isUnknown = ({ kind, status }: GatewayError): boolean => kind === 'model_not_found' || status === 404;

/**
 * Sends one request to the target and settles it in the books. Gives how long to wait where it rests for longer than was
 * thought; `never` where there is no point in another one.
 */
async function probe(
  key: string,
  { health, find, withinMs, now, probed }: ProberParts,
  ending: AbortSignal,
): Promise<number | 'never' | undefined> {
  const ms = withinMs();
  const target = ms > 0 ? await find(key) : undefined;
  if (!target || ending.aborted) return undefined;
  const routed: RouteTarget = { key, target, weight: 1, maxInFlight: undefined, timeouts: DEFAULT_TIMEOUTS };
  const entry = health.enter(routed, 'prober');
  if (!entry.ok) return entry.retryAfterMs;
  const { ticket } = entry;
  // somebody else has found out meanwhile
  if (!ticket.probe) {
    ticket.cancel();
    return undefined;
  }
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new GatewayError('upstream_timeout', `The probe was not answered within ${ms} ms.`)), ms);
  const startedAt = now();
  try {
    await answered(target, AbortSignal.any([late.signal, ending]));
    ticket.firstOutput(now() - startedAt);
    ticket.succeed();
    probed(key);
  } catch (cause) {
    const error = toGatewayError(cause);
    if (error.kind === 'cancelled') ticket.cancel();
    else ticket.fail(error);
    probed(key, error);
    if (isUnknown(error)) return 'never';
  } finally {
    clearTimeout(timer);
  }
  return undefined;
}

async function answered(target: Target, signal: AbortSignal): Promise<void> {
  const request = parseChatRequest({ ...QUESTION, model: target.card.id }, { strict: false });
  const call: Call = { id: 'probe', request, principal: { id: 'prober', role: 'member' }, strict: false, signal, trace: { attempts: [] } };
  const reply = await target.backend.chat(call, target);
  if (reply.kind === 'full') return;
  for await (const { events } of reply.batches) {
    const failed = events.find((event) => event.type === 'error');
    if (failed) throw failed.error;
  }
}
