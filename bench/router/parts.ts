/** Routes whose targets answer at once and from memory, and calls to them. */
import type { Backend, Call, Reply } from '../../src/core/call.ts';
import type { ChatRequest, Message } from '../../src/core/chat.ts';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../src/gateway/route.ts';
import type { Route, RoutePolicy, RouteTarget } from '../../src/gateway/route.ts';

const ANSWER: Reply = {
  kind: 'full',
  ignored: [],
  response: {
    id: 'chatcmpl-1',
    model: 'm',
    created: 0,
    choices: [{ blocks: [{ type: 'text', text: 'Hello.' }], reason: 'stop' }],
    usage: undefined,
  },
};

export const backend: Backend = { chat: () => Promise.resolve(ANSWER) };

function target(at: number): RouteTarget {
  const id = `provider-${at}/llama-3.3-70b-instruct`;
  const pricing = { input: 0.5 + at / 10, output: 0.8 };
  const card = { id, created: 0, ownedBy: 'x', provider: `provider-${at}`, endpoints: [], capabilities: {}, pricing };
  return { key: id, target: { id, card, backend }, weight: 1 + at, maxInFlight: 100, timeouts: DEFAULT_TIMEOUTS };
}

export const routeOf = (targets: number, policy: Partial<RoutePolicy>): Route => ({
  name: 'llama',
  targets: Array.from({ length: targets }, (_, at) => target(at)),
  policy: { ...DEFAULT_POLICY, ...policy },
});

const text = (role: 'system' | 'user' | 'assistant', words: string): Message => ({ role, blocks: [{ type: 'text', text: words }] });

function requestOf(messages: readonly Message[]): ChatRequest {
  return {
    model: 'llama',
    messages,
    sampling: {},
    n: 1,
    stop: [],
    tools: [],
    toolChoice: { mode: 'auto' },
    parallelToolCalls: true,
    responseFormat: { type: 'text' },
    stream: false,
    includeUsage: false,
    legacyFunctions: false,
    extras: [],
    raw: {},
  };
}

/** A question, and a conversation of 100 kB behind instructions of 20 kB. */
export const SHORT = requestOf([text('system', 'Be brief.'), text('user', 'What is the capital of France?')]);
export const LONG = requestOf([
  text('system', 'Answer in the words of the manual. '.repeat(570)),
  ...Array.from({ length: 40 }, (_, at) => text(at % 2 === 0 ? 'user' : 'assistant', `Turn ${at}. `.repeat(200))),
]);

const { signal } = new AbortController();

/** A new call each time, as the server makes one. Nobody ends it. */
export const callOf = (request: ChatRequest): Call => ({
  id: 'req_1',
  request,
  principal: { id: 'key-1', role: 'member' },
  strict: false,
  signal,
  trace: { attempts: [] },
});
