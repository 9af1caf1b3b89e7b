/** A request on its way, and the shape of everything that handles one. */
import type { Signal } from './abort.ts';
import type { ChatRequest, ChatResponse, Usage } from './chat.ts';
import { GatewayError } from './error.ts';
import type { Batch } from './event.ts';

/** What a key may do: `admin` everything, `member` all but administration, `read-only` look alone. */
export type Role = 'admin' | 'member' | 'read-only';

/** Who is asking. */
export interface Principal {
  /** Names the key in logs; no secret. */
  readonly id: string;
  /** Of a key that is kept in the store; absent for those of the configuration, which have no limits. */
  readonly keyId?: string;
  /** Absent where nothing says whose the request is. */
  readonly projectId?: string;
  readonly role: Role;
}

/** One try of one target. Times are by `performance.now()`. */
export interface Attempt {
  /** The target's id in the catalog: `groq/llama-3.3-70b-versatile`. */
  readonly target: string;
  /** The configured provider; absent for models of this machine. */
  readonly provider?: string;
  readonly startedAt: number;
  /** Started beside another one that was slow. */
  readonly hedge: boolean;
  /** When its first output came. */
  firstOutputAt?: number;
  endedAt?: number;
  /** `lost`: another one was faster. Absent while it runs. */
  outcome?: 'answered' | 'failed' | 'cancelled' | 'lost';
  error?: GatewayError;
  /** What it used, where it said so. */
  usage?: Usage;
  /** The class of service that it had, where it said so, in the contract's words. */
  serviceTier?: string;
  /** The provider has got the request: from here on it may charge for it. */
  reached?: boolean;
  /** UTF-8 bytes of text, reasoning and arguments that it has produced; of a whole answer only where `usage` is absent. */
  producedBytes?: number;
}

/** What is left of a limit, for the client. */
export interface LimitState {
  readonly limit: number;
  /** Never below 0. */
  readonly remaining: number;
  /** Milliseconds until it is whole again. */
  readonly resetMs: number;
}

/** What happened to a call on its way; written by the layers, read by log, metrics and headers. */
export interface CallTrace {
  readonly attempts: Attempt[];
  /** The attempt whose output the client gets. */
  answeredBy?: Attempt;
  cache?: 'hit' | 'miss' | 'shared';
  /** The tightest of the limits that apply; absent where there is none. */
  limits?: { readonly requests?: LimitState; readonly tokens?: LimitState };
  /** To how many tokens the answer was limited because of a budget; absent where it was not. */
  maxTokens?: number;
  /** What the books have open for this call. */
  tab?: object | undefined;
}

export interface Call {
  /** `req_…`, also the client's x-request-id. */
  readonly id: string;
  readonly request: ChatRequest;
  readonly principal: Principal;
  /** The administrator wants a refusal where a field would have no effect, instead of a note in the response. */
  readonly strict: boolean;
  /** What the client wants of the cache; absent: as the server has it. `refresh`: not the answer that is there, but keep the new one. */
  readonly cache?: 'use' | 'skip' | 'refresh';
  /** Fires when the client goes away or the server gives up. Everything that works for this call stops. */
  readonly signal: Signal;
  readonly trace: CallTrace;
  /** Is told of each attempt when it has ended. Must not throw. */
  readonly attempted?: (attempt: Attempt) => void;
  /** To be told by a backend that the provider has got the request. */
  readonly reached?: () => void;
}

/**
 * An answer. A whole one may come with `raw`, the body as the client shall get it where nothing needs to be written
 * anew; a stream's batches may do the same, each for itself. A stream's first batch is already there when the promise of the reply resolves: whatever fails
 * before that can still be answered with a status of its own.
 * `ignored` names the request's fields that had no effect.
 */
export type Reply =
  | { readonly kind: 'full'; readonly response: ChatResponse; readonly raw?: string; readonly ignored: readonly string[] }
  | { readonly kind: 'stream'; readonly batches: AsyncIterable<Batch>; readonly ignored: readonly string[] };

export type Handler = (call: Call) => Promise<Reply>;
export type Layer = (next: Handler) => Handler;

/** What requests to a model may ask for; what is not known is absent. */
export interface Capabilities {
  readonly tools?: boolean;
  readonly structuredOutput?: boolean;
  readonly logprobs?: boolean;
  readonly reasoning?: boolean;
  readonly inputModalities?: readonly string[];
  readonly outputModalities?: readonly string[];
}

/** US dollars for a million tokens of each kind; absent where unknown. An absent special one is that of `input` or `output`. */
export interface Prices {
  readonly input?: number;
  readonly output?: number;
  /** Of the prompt, read from a cache. */
  readonly cachedInput?: number;
  /** Of the prompt, written to a cache. */
  readonly cacheWrite?: number;
  /** Written to be kept for an hour; absent: as `cacheWrite`. */
  readonly cacheWriteLong?: number;
  readonly reasoning?: number;
  readonly inputAudio?: number;
  /** Audio of the prompt, read from a cache; absent: as `cachedInput`. */
  readonly cachedAudio?: number;
  readonly outputAudio?: number;
  readonly inputImage?: number;
  readonly outputImage?: number;
}

/** Instead of those below, for the whole of a request whose prompt has more tokens than `above`; absent ones stay as they are. */
export interface PriceTier extends Prices {
  readonly above: number;
}

/** Of one class of service: all that tokens cost there. An absent special kind is that of `input` or `output` there. */
export interface ServicePrices extends Prices {
  readonly tiers?: readonly PriceTier[];
}

export interface Pricing extends Prices {
  /** US dollars for each request, whatever it uses. */
  readonly request?: number;
  readonly tiers?: readonly PriceTier[];
  /**
   * US dollars for a thousand runs of tools that the provider runs itself, by their names in `Usage.providerTools`; 0 for those
   * that cost nothing but their tokens, absent where unknown.
   */
  readonly tools?: Readonly<Record<string, number>>;
  /** The same for a thousand requests in which the tool ran, however often it did. */
  readonly toolRequests?: Readonly<Record<string, number>>;
  /** Instead, where the provider says that it served the request in this class (`priority`, `flex`), in the contract's words. */
  readonly serviceTiers?: Readonly<Record<string, ServicePrices>>;
  /** The administrator's word: it holds whatever a provider says it charged. */
  readonly binding?: boolean;
}

/** What a client may know of a model. */
export interface ModelCard {
  readonly id: string;
  /** Unix seconds; 0 where unknown. */
  readonly created: number;
  readonly ownedBy: string;
  /** The id of the configured provider; absent for models of this machine. */
  readonly provider?: string;
  /** Paths that answer with it. */
  readonly endpoints: readonly string[];
  /** Tokens, prompt and completion together; absent where unknown. */
  readonly contextWindow?: number;
  /** Tokens of one completion at most; absent where unknown. */
  readonly maxOutputTokens?: number;
  readonly capabilities: Capabilities;
  readonly pricing?: Pricing;
  /** Free facts for people: quantisation, size in bytes, licence. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** One model at one place that can serve it. */
export interface Target {
  /** What its source calls it; the card has the name that clients know it by. */
  readonly id: string;
  readonly card: ModelCard;
  readonly backend: Backend;
}

/** All that the router knows of a provider or an engine. */
export interface Backend {
  /** Resolves with the first output, rejects with a GatewayError. */
  chat(call: Call, target: Target): Promise<Reply>;
  /** How many requests with this prompt it makes of one: several where each choice needs its own. Absent: one. */
  calls?(request: ChatRequest, target: Target): number;
}

/** Layers joined into one handler, the first one outermost. */
export function compose(...layers: readonly Layer[]): (inner: Handler) => Handler {
  return (inner) => layers.reduceRight((next, layer) => layer(next), inner);
}

/** For a backend, before it starts to work: throws in strict mode where fields of the request would be ignored. */
export function refuseIgnored(call: Call, ignored: readonly string[]): void {
  const [first] = ignored;
  if (!call.strict || first === undefined) return;
  const rest = ignored.length > 1 ? ` (nor ${ignored.slice(1, 6).join(', ')})` : '';
  throw new GatewayError(
    'unsupported_parameter',
    `Unsupported parameter: '${first}' has no effect with this model${rest}, and this server is strict.`,
    {
      param: first,
    },
  );
}
