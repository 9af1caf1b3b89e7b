/** What can go wrong with a provider, one fault each, and what that means for a request. */
import { LAST_CHUNK, SSE_HEAD, answerWith, chunked, frame, framesFor, head, partsOf, wellBytes, wholeBody } from './upstream-answers.ts';
import type { Asked } from './upstream-answers.ts';
import { close, reset, send, stall, trickle, well } from './faulty-upstream.ts';
import type { Plan, Step } from './faulty-upstream.ts';

/** What a client hears where nobody else can be asked. `words`: part of the message. */
export interface Expected {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly words?: RegExp;
}

export interface Fault {
  readonly plan: (asked: Asked) => Plan;
  /**
   * `none`: it looks odd and is right. `before`: it fails before a client has seen anything. `within`: an answer that
   * is streamed fails after its first words, one that is not has the same failure before.
   */
  readonly when: 'none' | 'before' | 'within';
  /** A whole answer has nothing of it, because only streams can have it. */
  readonly streamsOnly?: true;
  /** Of a `none`: what comes next on the same connection is lost, so that there may be a second attempt. */
  readonly spoils?: true;
  /** `again`: another attempt may succeed, here or elsewhere. `elsewhere`: not here. `back`: nowhere. */
  readonly worth: 'again' | 'elsewhere' | 'back';
  readonly error: Expected;
}

const UPSTREAM: Expected = { status: 502, type: 'upstream_error', code: 'upstream_error' };
const OTHER_PROTOCOL: Expected = { ...UPSTREAM, words: /another protocol/ };
const TIMEOUT: Expected = { status: 504, type: 'upstream_error', code: 'timeout' };
const OVERLOADED: Expected = { status: 503, type: 'service_unavailable_error', code: 'server_is_overloaded' };
const LIMITED: Expected = { status: 429, type: 'requests', code: 'rate_limit_exceeded' };

const before = (plan: (asked: Asked) => Plan, error = UPSTREAM): Fault => ({ plan, when: 'before', worth: 'again', error });
const within = (plan: (asked: Asked) => Plan, error = UPSTREAM): Fault => ({ plan, when: 'within', worth: 'again', error });
const inStream = (plan: (asked: Asked) => Plan, error = UPSTREAM): Fault => ({
  ...within((asked) => (asked.stream ? plan(asked) : well(asked)), error),
  streamsOnly: true,
});
const odd = (plan: (asked: Asked) => Plan): Fault => ({ plan, when: 'none', worth: 'back', error: UPSTREAM });
const spoiling = (plan: (asked: Asked) => Plan): Fault => ({ ...odd(plan), spoils: true });

/** Every request gets these bytes. */
const says = (...bytes: readonly string[]) => before(() => [send(...bytes), close]);

/** Bytes up to where a client of a stream has seen words, then the given steps. */
const midway = (...steps: readonly Step[]) =>
  within((asked) => {
    const { head: start, opening, shown } = partsOf(asked);
    return [send(start, opening, shown), ...steps];
  });

/** A successful head, then something that is no answer: as the body, and as the only frame. */
const nonsense = (body: string, error = UPSTREAM): Fault =>
  before((asked) => [send(asked.stream ? SSE_HEAD + chunked(frame(body)) + LAST_CHUNK : answerWith(200, body))], error);

const refusal = (status: number, worth: Fault['worth'], rest: Partial<Expected> & { readonly headers?: Record<string, string> }): Fault => {
  const { headers = {}, ...expected } = rest;
  const message = `Refused with ${status}.`;
  const error: Expected = { status, type: 'some_type', code: 'some_code', words: /Refused with/, ...expected };
  const body = JSON.stringify({ error: { message, type: 'some_type', code: 'some_code', param: null } });
  return { plan: () => [send(answerWith(status, body, headers))], when: 'before', worth, error };
};

const OWN_WORDS = { error: { message: 'Something broke here.', type: 'server_error', code: 'oops' } };

/** Before the head of the answer, and in it. */
const IN_THE_HEAD: Readonly<Record<string, Fault>> = {
  'reset before the head': before(() => [reset]),
  'close before the head': before(() => [close]),
  'reset in the head': before(() => [send('HTTP/1.1 200 OK\r\ncontent-ty'), reset]),
  'close in the head': before(() => [send('HTTP/1.1 200 OK\r\ncontent-ty'), close]),
  'stall before the head': before(() => [stall], TIMEOUT),
  'stall in the head': before(() => [send('HTTP/1.1 200 OK\r\ncontent-ty'), stall], TIMEOUT),
  'stall after 103 Early Hints': before(() => [send(head(103, {})), stall], TIMEOUT),
  'another protocol, unasked': before(() => [send(head(101, { upgrade: 'websocket', connection: 'upgrade' }))], OTHER_PROTOCOL),
  'no HTTP at all': says('SSH-2.0-OpenSSH_9.6\r\n'),
  'a head without end': says(`HTTP/1.1 200 OK\r\n${'x-more: of the same\r\n'.repeat(5000)}\r\n`),
  'two lengths': says('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n{}'),
  'length that is no number': says('HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}'),
  'a redirect': before(() => [send(head(302, { location: 'http://127.0.0.1:9/elsewhere', 'content-length': 0 }))]),
  'compressed all the same': before((asked) => [send(answerWith(200, wholeBody(asked), { 'content-encoding': 'gzip' }))]),
};

/** After the head, with nothing seen of the answer. */
const BEFORE_THE_FIRST_WORD: Readonly<Record<string, Fault>> = {
  'reset after the head': before((asked) => [send(partsOf(asked).head), reset]),
  'close after the head': before((asked) => [send(partsOf(asked).head), close]),
  'stall after the head': before((asked) => [send(partsOf(asked).head), stall], TIMEOUT),
  'reset before the first word': before((asked) => [send(partsOf(asked).head, partsOf(asked).opening), reset]),
  'close before the first word': before((asked) => [send(partsOf(asked).head, partsOf(asked).opening), close]),
  'stall before the first word': before((asked) => [send(partsOf(asked).head, partsOf(asked).opening), stall], TIMEOUT),
  'an empty body': before(() => [send(answerWith(200, ''))]),
  'chunks broken from the start': before(() => [send(SSE_HEAD, 'this is no length\r\n'), close]),
  'cut JSON': nonsense('{"id":"chatcmpl-1","choices":[{"index":0,'),
  'JSON of another kind': nonsense('{"hello":"world"}'),
  'null for an answer': nonsense('null'),
  'a list for an answer': nonsense('[]'),
  'no choices': nonsense('{"id":"chatcmpl-1","object":"chat.completion","choices":[]}'),
  'HTML with 200': before(() => [send(answerWith(200, '<html><title>Sign in</title></html>', { 'content-type': 'text/html' }))]),
  'an error with 200': nonsense(JSON.stringify(OWN_WORDS), { ...UPSTREAM, words: /Something broke here/ }),
  'an error as JSON with 200': before(() => [send(answerWith(200, JSON.stringify(OWN_WORDS)))], { ...UPSTREAM, words: /Something broke/ }),
  'a limit with 200': nonsense('{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}', LIMITED),
  'an error in one read with the first words': {
    ...before(
      (asked) =>
        asked.stream
          ? [send(SSE_HEAD, ...[...framesFor(asked).opening, ...framesFor(asked).words, frame(OWN_WORDS)].map(chunked), LAST_CHUNK)]
          : well(asked),
      { ...UPSTREAM, words: /Something broke here/ },
    ),
    streamsOnly: true,
  },
  'done at once': before((asked) => [send(asked.stream ? SSE_HEAD + chunked(frame('[DONE]')) + LAST_CHUNK : answerWith(200, '{}'))]),
};

/** In the middle of the answer. */
const WITHIN: Readonly<Record<string, Fault>> = {
  'reset midway': midway(reset),
  'close midway': midway(close),
  'stall midway': { ...midway(stall), error: TIMEOUT },
  'half a frame, then reset': inStream(({ ...asked }) => [...begun(asked), send('1f\r\ndata: {"id":"chatcmpl-'), reset]),
  'half a frame, then close': inStream((asked) => [...begun(asked), send('1f\r\ndata: {"id":"chatcmpl-'), close]),
  'half a frame, then an end in order': inStream((asked) => [...begun(asked), send(chunked('data: {"id":"chatcmpl-'), LAST_CHUNK)]),
  'half a frame, then a stall': inStream((asked) => [...begun(asked), send('1f\r\ndata: {"id":"chatcmpl-'), stall], TIMEOUT),
  'an end in order without [DONE]': inStream((asked) => [...begun(asked), send(LAST_CHUNK)]),
  'finished, but without [DONE]': inStream((asked) => {
    const { opening, words, closing } = framesFor(asked);
    return [send(SSE_HEAD, ...[...opening, ...words, ...closing].map(chunked), LAST_CHUNK)];
  }),
  '[DONE] before the end': inStream((asked) => [...begun(asked), send(chunked(frame('[DONE]')), LAST_CHUNK)]),
  'broken chunks midway': inStream((asked) => [...begun(asked), send('this is no length\r\n'), close]),
  'cut JSON midway': inStream((asked) => [...begun(asked), send(chunked(frame('{"choices":[{"index":0,"delta":{"con')), LAST_CHUNK)]),
  'HTML midway': inStream((asked) => [...begun(asked), send(chunked('<html>Bad gateway</html>\n\n'), LAST_CHUNK)]),
  'an error frame midway': inStream((asked) => [...begun(asked), send(chunked(frame(OWN_WORDS)), LAST_CHUNK)], {
    ...UPSTREAM,
    words: /Something broke here/,
  }),
  'an overload midway': inStream(
    (asked) => [...begun(asked), send(chunked(frame({ error: { message: 'Too much.', code: 503 } })), LAST_CHUNK)],
    OVERLOADED,
  ),
  'a length that is too long': within((asked) => {
    const body = lengthy(asked);
    const cut = asked.stream ? framesFor(asked).opening.length + framesFor(asked).words.length : 0;
    const sent = asked.stream ? body.split('\n\n').slice(0, cut).join('\n\n') : body;
    return [send(head(200, { 'content-type': kindOf(asked), 'content-length': Buffer.byteLength(body) + 9 }), sent), close];
  }),
  'a length that is too short': within((asked) => {
    const body = lengthy(asked);
    return [send(head(200, { 'content-type': kindOf(asked), 'content-length': Math.floor(Buffer.byteLength(body) / 2) }), body)];
  }),
};

/** Refusals by status. */
const REFUSED: Readonly<Record<string, Fault>> = {
  'status 400': refusal(400, 'back', {}),
  'status 413': refusal(413, 'back', {}),
  'status 422': refusal(422, 'back', {}),
  'status 401': refusal(401, 'elsewhere', {}),
  'status 402': refusal(402, 'elsewhere', {}),
  'status 403': refusal(403, 'elsewhere', {}),
  'status 404': refusal(404, 'elsewhere', {}),
  'status 408': refusal(408, 'again', {}),
  'status 409': refusal(409, 'again', {}),
  'status 429': refusal(429, 'again', {}),
  'status 429, wait 50 ms': refusal(429, 'again', { headers: { 'retry-after-ms': '50' } }),
  'status 500': refusal(500, 'again', UPSTREAM),
  'status 502': refusal(502, 'again', UPSTREAM),
  'status 503': refusal(503, 'again', OVERLOADED),
  'status 503, wait 50 ms': refusal(503, 'again', { ...OVERLOADED, headers: { 'retry-after-ms': '50' } }),
  'status 504': refusal(504, 'again', TIMEOUT),
  'status 520': refusal(520, 'again', UPSTREAM),
  'status 529': refusal(529, 'again', OVERLOADED),
  'status 500 with HTML': before(() => [send(answerWith(500, '<html><h1>Oops</h1></html>', { 'content-type': 'text/html' }))]),
  'status 500, cut': before(() => [send(head(500, { 'content-type': 'application/json', 'content-length': 500 }), '{"error":'), reset]),
  'status 500, stalled': before(
    () => [send(head(500, { 'content-type': 'application/json', 'content-length': 500 }), '{"error":'), stall],
    TIMEOUT,
  ),
};

/** What looks odd and is right. */
const ODD: Readonly<Record<string, Fault>> = {
  well: odd(well),
  'a trickle': odd((asked) => [trickle(wellBytes(asked))]),
  'a trickle of seven': odd((asked) => [trickle(wellBytes(asked), 7)]),
  // RFC 9110 (15.2) lets a client pass it over
  '100 Continue, unasked': odd((asked) => [send(head(100, {})), ...well(asked)]),
  '103 Early Hints first': odd((asked) => [send(head(103, { link: '</x>' })), send(head(103, {})), ...well(asked)]),
  'open after the end': odd((asked) => {
    const { last, ...parts } = partsOf(asked);
    return [send(...Object.values(parts)), ...(asked.stream ? [stall, send(last)] : [])];
  }),
  'closed after the end, as told': odd((asked) => [send(wellBytes(asked).replace('\r\n', '\r\nconnection: close\r\n')), close]),
  'closed after the end, untold': spoiling((asked) => [...well(asked), close]),
  'reset by the next request': spoiling((asked) => (asked.onConnection > 0 && asked.nth === 0 ? [reset] : well(asked))),
  'a second answer glued to the first': spoiling((asked) => [send(wellBytes(asked), wellBytes({ ...asked, token: 'glued' }))]),
  'without a length': odd((asked) => {
    const body = lengthy(asked);
    return [send(head(200, { 'content-type': kindOf(asked) }), body), close];
  }),
  'a stream of known length': odd((asked) => {
    const body = lengthy(asked);
    return [send(head(200, { 'content-type': kindOf(asked), 'content-length': Buffer.byteLength(body) }), body)];
  }),
  'too long, but after [DONE]': spoiling((asked) => {
    const body = lengthy(asked);
    const length = Buffer.byteLength(body) + (asked.stream ? 9 : 0);
    return [send(head(200, { 'content-type': kindOf(asked), 'content-length': length }), body), ...(asked.stream ? [close] : [])];
  }),
  'comments and empty lines': odd((asked) => {
    if (!asked.stream) return [send(answerWith(200, `\n\n${wholeBody(asked)}\n`))];
    const spaced = lengthy(asked).replaceAll('\n\n', '\n\n: still here\n\n\n\n');
    return [send(SSE_HEAD, chunked(spaced), LAST_CHUNK)];
  }),
  'lines that end with CRLF': odd((asked) => {
    if (!asked.stream) return well(asked);
    return [send(SSE_HEAD, chunked(lengthy(asked).replaceAll('\n', '\r\n')), LAST_CHUNK)];
  }),
};

export const FAULTS: Readonly<Record<string, Fault>> = {
  ...IN_THE_HEAD,
  ...BEFORE_THE_FIRST_WORD,
  ...WITHIN,
  ...REFUSED,
  ...ODD,
};

/** The start of a stream, with its first words. */
function begun(asked: Asked): Plan {
  const { head: start, opening, shown } = partsOf(asked);
  return [send(start, opening, shown)];
}

const kindOf = (asked: Asked): string => (asked.stream ? 'text/event-stream' : 'application/json');

/** The body of a good answer, without chunks. */
function lengthy(asked: Asked): string {
  if (!asked.stream) return wholeBody(asked);
  const { opening, words, closing, done } = framesFor(asked);
  return [...opening, ...words, ...closing, done].join('');
}
