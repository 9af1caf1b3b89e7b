/** A model of a provider as a backend: the request is written in the provider's protocol, sent, and its answer read. */
import { randomBytes } from 'node:crypto';
import { refuseIgnored } from '../../core/call.ts';
import type { Backend, Call, Reply } from '../../core/call.ts';
import type { ChatRequest } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { createFolder } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { jsonOf, plainMessage } from '../../protocols/failure.ts';
import type { AnswerHead, Prepared, Wire, WireTarget } from '../../protocols/wire.ts';
import type { Http, HttpAnswer } from '../http.ts';
import type { Provider } from '../provider.ts';
import { fromFirstOutput, readBatches, reshaper } from './read-answer.ts';
import { joinReplies, requestFor } from './several.ts';

/** What a backend needs of the world around it. */
export interface RemoteParts {
  readonly http: Http;
  /** Images by URL as data URLs, for providers which do not fetch themselves. */
  readonly inlineImages: (request: ChatRequest, signal: AbortSignal) => Promise<ChatRequest>;
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
export function createRemoteBackend(model: RemoteModel, parts: RemoteParts): Backend {
  const { wire, target } = model;
  return {
    async chat(call) {
      const { signal } = call;
      const request = wire.imageUrls(target) ? call.request : await parts.inlineImages(call.request, signal);
      if (request.n === 1 || wire.severalChoices(target)) return ask(model, parts, { ...call, request });
      return askSeveral(model, parts, { ...call, request });
    },
  };
}

/** One failure ends them all: half of the choices are no answer. */
async function askSeveral(model: RemoteModel, parts: RemoteParts, call: Call): Promise<Reply> {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([call.signal, giveUp.signal]);
  const leave = (): void => giveUp.abort(new GatewayError('cancelled', 'The other choices of this answer are not needed any more.'));
  try {
    const asked = Array.from({ length: call.request.n }, (_, index) =>
      ask(model, parts, { ...call, signal, request: requestFor(call.request, index) }),
    );
    return joinReplies(await Promise.all(asked), leave);
  } catch (cause) {
    leave();
    throw cause;
  }
}

async function ask({ provider, wire, target }: RemoteModel, parts: RemoteParts, call: Call): Promise<Reply> {
  const { request, signal } = call;
  const prepared = wire.prepare(request, target, newHead());
  refuseIgnored(call, prepared.ignored);
  const outgoing = { method: 'POST', ...prepared.call, headers: { ...prepared.call.headers, ...provider.headers } } as const;
  const proof = await provider.authorize(outgoing, signal);
  const answer = await parts.http.send(
    { ...outgoing, headers: { ...outgoing.headers, ...proof } },
    { timeouts: provider.timeouts, signal },
  );
  const { status, headers } = answer;
  const { scrub } = parts;
  if (status < 200 || status > 299) throw scrub(wire.error({ status, headers, body: await answer.text(LARGEST_ERROR) }));
  try {
    if (!request.stream || isJson(headers)) return await readWhole(prepared, answer);
    const batches = await fromFirstOutput(readBatches(prepared, answer.read(), scrub));
    return { kind: 'stream', batches, ignored: prepared.ignored };
  } catch (cause) {
    answer.cancel();
    throw cause instanceof GatewayError ? scrub(cause) : cause;
  }
}

/** Some providers answer a request for a stream with one body all the same, most of them to report an error. */
const isJson = (headers: Readonly<Record<string, string>>): boolean => /^application\/json\b/i.test(headers['content-type'] ?? '');

async function readWhole(prepared: Prepared, answer: HttpAnswer): Promise<Reply> {
  const text = await answer.text();
  const body = jsonOf(text);
  if (body === undefined) {
    const words = plainMessage(text);
    throw new GatewayError('upstream', `The provider sent an answer that is no JSON${words === '' ? '.' : `: ${words}`}`);
  }
  const { response, raw } = prepared.response(body);
  const { ignored } = prepared;
  if (prepared.reshape.length === 0) return { kind: 'full', response, ...(raw === undefined ? {} : { raw }), ignored };
  const folder = createFolder();
  folder.push(reshaper(prepared)(unfold(response)));
  return { kind: 'full', response: folder.end(), ignored };
}

function newHead(): AnswerHead {
  return { id: `chatcmpl-${randomBytes(15).toString('base64url')}`, created: Math.floor(Date.now() / 1000) };
}
