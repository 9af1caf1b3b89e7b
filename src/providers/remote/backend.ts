/** A model of a provider as a backend: the request is written in the provider's protocol, sent, and its answer read. */
import { following } from '../../core/abort.ts';
import type { Signal } from '../../core/abort.ts';
import { refuseIgnored } from '../../core/call.ts';
import type { Backend, Call, Reply, Target } from '../../core/call.ts';
import type { ChatRequest, ChatResponse } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { createFolder, fold } from '../../core/event.ts';
import type { Batch } from '../../core/event.ts';
import { randomText } from '../../core/random.ts';
import { unfold } from '../../core/unfold.ts';
import { jsonOf, plainMessage } from '../../protocols/failure.ts';
import type { AnswerHead, Prepared, Wire, WireTarget } from '../../protocols/wire.ts';
import type { Http, HttpAnswer } from '../http.ts';
import type { Provider } from '../provider.ts';
import { readTurns } from './pauses.ts';
import { fromFirstOutput, readBatches, reshaper } from './read-answer.ts';
import { joinReplies, requestFor } from './several.ts';

/** What a backend needs of the world around it. */
export interface RemoteParts {
  readonly http: Http;
  /** Images by URL as data URLs, for providers which do not fetch themselves. */
  readonly inlineImages: (request: ChatRequest, signal: Signal) => Promise<ChatRequest>;
  /** Takes the secrets of this provider out of an error that it sent. */
  readonly scrub: (error: GatewayError) => GatewayError;
}

export interface RemoteModel {
  readonly provider: Provider;
  readonly wire: Wire;
  readonly target: WireTarget;
}

const LARGEST_ERROR = 1024 * 1024;

/** The backend of one model. Rejects with a GatewayError; a stream resolves with its first output. */
export function createRemoteBackend(known: RemoteModel, parts: RemoteParts): Backend {
  const { wire } = known;
  const modelOf = ({ card }: Target): RemoteModel =>
    card.id === known.target.model ? known : { ...known, target: { ...known.target, model: card.id } };
  const calls = ({ n }: ChatRequest, { target }: RemoteModel): number => (n === 1 || wire.severalChoices(target) ? 1 : n);
  const chat = (call: Call, model: RemoteModel): Promise<Reply> =>
    calls(call.request, model) === 1 ? ask(model, parts, call) : askSeveral(model, parts, call);
  return {
    calls: (request, target) => calls(request, modelOf(target)),
    async chat(call, of) {
      const model = modelOf(of);
      if (wire.imageUrls(model.target)) return chat(call, model);
      const request = await parts.inlineImages(call.request, call.signal);
      return chat({ ...call, request }, model);
    },
  };
}

/** One failure ends them all: half of the choices are no answer. */
async function askSeveral(model: RemoteModel, parts: RemoteParts, call: Call): Promise<Reply> {
  const { control } = following(call.signal);
  const leave = (): void => control.abort(new GatewayError('cancelled', 'The other choices of this answer are not needed any more.'));
  try {
    const asked = Array.from({ length: call.request.n }, (_, index) =>
      ask(model, parts, { ...call, signal: control, request: requestFor(call.request, index) }),
    );
    return joinReplies(await Promise.all(asked), leave);
  } catch (cause) {
    leave();
    throw cause;
  }
}

async function ask(model: RemoteModel, parts: RemoteParts, call: Call): Promise<Reply> {
  const { request } = call;
  const prepared = model.wire.prepare(request, model.target, newHead());
  const { ignored } = prepared;
  refuseIgnored(call, ignored);
  if (prepared.pauses === true && request.n === 1) return askOn(model, parts, { call, prepared });
  const answer = await send(model, parts, { call, prepared });
  if (isWhole(request, answer)) return { kind: 'full', ...(await readWhole(prepared, answer, parts)), ignored };
  return { kind: 'stream', batches: await fromFirstOutput(readBatches(prepared, answer.read(), parts.scrub)), ignored };
}

interface Sending {
  readonly call: Call;
  readonly prepared: Prepared;
}

/** The same where the provider may pause: what it says after that belongs to the answer. */
async function askOn(model: RemoteModel, parts: RemoteParts, { call, prepared: first }: Sending): Promise<Reply> {
  const { request } = call;
  const { ignored } = first;
  const batches = readTurns(request, first, {
    prepare: (next) => model.wire.prepare(next, model.target, newHead()),
    async read(prepared) {
      const answer = await send(model, parts, { call, prepared });
      if (!isWhole(request, answer)) return readBatches(prepared, answer.read(), parts.scrub);
      const { response } = await readWhole({ ...prepared, reshape: [] }, answer, parts);
      return only({ events: reshaper(prepared)(unfold(response)) });
    },
  });
  if (request.stream) return { kind: 'stream', batches: await fromFirstOutput(batches), ignored };
  return { kind: 'full', response: await fold(batches), ignored };
}

async function* only(batch: Batch): AsyncGenerator<Batch, undefined> {
  yield batch;
}

/** An answer of status 200; rejects with the provider's error where it is another. */
async function send({ provider, wire }: RemoteModel, parts: RemoteParts, { call, prepared }: Sending): Promise<HttpAnswer> {
  const { url, headers: written, body } = prepared.call;
  const outgoing = { method: 'POST', url, body, headers: { ...written, ...provider.headers } } as const;
  const proof = await provider.authorize(outgoing, call.signal);
  const answer = await parts.http.send(outgoing, {
    timeouts: provider.timeouts,
    signal: call.signal,
    sent: call.reached,
    proof,
  });
  const { status, headers } = answer;
  if (status >= 200 && status <= 299) return answer;
  throw parts.scrub(wire.error({ status, headers, body: await answer.text(LARGEST_ERROR) }));
}

/** Some providers answer a request for a stream with one body all the same, most of them to report an error. */
function isWhole(request: ChatRequest, { headers }: HttpAnswer): boolean {
  return !request.stream || /^application\/json\b/i.test(headers['content-type'] ?? '');
}

interface Whole {
  readonly response: ChatResponse;
  readonly raw?: string;
}

async function readWhole(prepared: Prepared, answer: HttpAnswer, { scrub }: RemoteParts): Promise<Whole> {
  try {
    const read = prepared.response(jsonBody(await answer.text()));
    if (prepared.reshape.length === 0) return read;
    const folder = createFolder();
    folder.push(reshaper(prepared)(unfold(read.response)));
    return { response: folder.end() };
  } catch (cause) {
    answer.cancel();
    throw cause instanceof GatewayError ? scrub(cause) : cause;
  }
}

function jsonBody(text: string): unknown {
  const body = jsonOf(text);
  if (body !== undefined) return body;
  const words = plainMessage(text);
  throw new GatewayError('upstream', `The provider sent an answer that is no JSON${words === '' ? '.' : `: ${words}`}`);
}

function newHead(): AnswerHead {
  return { id: `chatcmpl-${randomText(15, 'base64url')}`, created: Math.floor(Date.now() / 1000) };
}
