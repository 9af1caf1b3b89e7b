/** The protocols that providers speak, as the rest of the program sees them: values in, values out, no I/O. */
import type { ChatRequest, ChatResponse } from '../core/chat.ts';
import type { GatewayError } from '../core/error.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import type { JsonText } from '../core/json-pieces.ts';

/** What is known of the model that is called; what is not known is absent. */
export interface ModelFacts {
  readonly contextWindow?: number;
  /** Tokens of one completion at most. */
  readonly maxOutputTokens?: number;
  readonly reasoning?: boolean;
  readonly tools?: boolean;
  readonly structuredOutput?: boolean;
  /** `text`, `image`, `audio`, `file`. */
  readonly inputModalities?: readonly string[];
}

/** Whom a wire calls. `Quirks` are the provider's deviations that this wire knows, all optional, none the default. */
export interface WireTarget<Quirks = unknown> {
  /** Id of the configured provider: owner of the opaque state it makes. */
  readonly provider: string;
  /** What the provider calls the model. */
  readonly upstreamModel: string;
  /** What the answer calls it: its id in our own catalog. */
  readonly model: string;
  /** Without a slash at its end, and with everything before the paths of the protocol: `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly quirks: Quirks;
  readonly facts: ModelFacts;
}

/** One HTTP request, not yet authorized. Always a POST of JSON. */
export interface HttpCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: JsonText;
}

/**
 * One event of a streamed answer: of server-sent events, `event` is the event's name ('' where it has none); of an AWS
 * event stream, the `:event-type`, or the `:exception-type` where `exception` is set.
 */
export interface Frame {
  readonly event: string;
  readonly data: string;
  readonly exception?: boolean;
}

/** A step between what a provider says and what the client is told: the same for whole answers and streams. */
export interface Reshape {
  /** Takes events of one stream in order; what it holds back comes with a later event, at the latest with `finish`. */
  push(events: readonly ChatEvent[]): readonly ChatEvent[];
}

/**
 * Reads the frames of one stream. The events hold to `core/event.ts`: a `start`, blocks, a `finish` per choice, `usage`,
 * `end`. An error that the provider reports in the stream is an `error` event; what it may not say throws nothing but
 * becomes an `error` event of kind `upstream`.
 */
export interface Decoder {
  push(frame: Frame): Batch;
  /** The bytes are over. An `error` event where the protocol's own end has not come. */
  end(): Batch;
}

/** A request as it goes out, and how its answer is read. */
export interface Prepared {
  readonly call: HttpCall;
  readonly framing: 'sse' | 'aws-eventstream';
  /** Paths of the request's fields that will have no effect (`seed`, `messages[0].name`). */
  readonly ignored: readonly string[];
  /** Makers of the steps that the events go through, in order; a fresh one for every answer. */
  readonly reshape: readonly (() => Reshape)[];
  /**
   * The answer may finish with `pause`. It goes on where the request is prepared again with the answer's turn as its last
   * message, so this is for wires alone that write requests from `ChatRequest.messages`.
   */
  readonly pauses?: boolean;
  /**
   * A whole answer of status 200. `raw` where the body may go to the client as it is, but for the model's name.
   * Throws a GatewayError: `upstream` where the body is no answer, the provider's own where it is an error all the same.
   */
  response(body: unknown): { readonly response: ChatResponse; readonly raw?: string };
  decoder(): Decoder;
}

/** What the answer is called, made by the caller; a wire whose protocol has ids of the same kind may keep those. */
export interface AnswerHead {
  /** `chatcmpl-…` */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
}

/** An answer whose status is not a success. */
export interface Failure {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text, of whatever format. */
  readonly body: string;
}

export interface Wire<Quirks = unknown> {
  /**
   * Writes the request. Throws a GatewayError (400) that names the part which this protocol has no form for: an audio
   * part, a file id, a tool it cannot declare. What may be left out is left out and named in `ignored`.
   */
  prepare(request: ChatRequest, target: WireTarget<Quirks>, head: AnswerHead): Prepared;
  /** The provider's refusal in our envelope. Never throws. */
  error(failure: Failure): GatewayError;
  /** Answers one request with several choices by itself; else the caller asks once for each, with `n: 1`. */
  severalChoices(target: WireTarget<Quirks>): boolean;
  /** The provider takes images by http(s) URL; else the caller fetches them and makes them data URLs. */
  imageUrls(target: WireTarget<Quirks>): boolean;
}
