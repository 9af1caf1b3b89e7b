/** Cohere's v2 chat API: `POST /v2/chat`. */
import type { ChatRequest } from '../../core/chat.ts';
import type { AnswerHead, Prepared, Wire, WireTarget } from '../wire.ts';
import { readFailure } from './facts.ts';
import type { CohereChatQuirks } from './quirks.ts';
import { writeRequest } from './request.ts';
import { readResponse } from './response.ts';
import { createDecoder } from './stream.ts';

function prepare(request: ChatRequest, target: WireTarget<CohereChatQuirks>, head: AnswerHead): Prepared {
  const { body, reshape, ignored } = writeRequest(request, target);
  const answering = { head, model: target.model, provider: target.provider };
  return {
    call: {
      url: `${target.baseUrl}${target.quirks.path ?? '/v2/chat'}`,
      headers: { 'content-type': 'application/json', accept: request.stream ? 'text/event-stream' : 'application/json' },
      body: JSON.stringify(body),
    },
    framing: 'sse',
    ignored,
    reshape,
    response: (answer) => ({ response: readResponse(answer, answering) }),
    decoder: () => createDecoder(answering),
  };
}

export const cohereChatWire: Wire<CohereChatQuirks> = {
  prepare,
  error: readFailure,
  severalChoices: () => false,
  imageUrls: ({ quirks }) => quirks.imageUrls !== false,
};
