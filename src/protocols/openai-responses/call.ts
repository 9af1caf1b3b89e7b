/** The Responses API, for models that answer nowhere else: https://platform.openai.com/docs/api-reference/responses */
import { addressOf } from '../url.ts';
import type { Wire } from '../wire.ts';
import { createDecoder, readAnswer } from './decode.ts';
import type { Asked } from './decode.ts';
import { readFailure } from './errors.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';
import { writeRequest } from './request.ts';

export const openaiResponsesWire: Wire<OpenAIResponsesQuirks> = {
  prepare(request, target, head) {
    const { body, ignored, reshape } = writeRequest(request, target);
    const asked: Asked = {
      head,
      model: target.model,
      provider: target.provider,
      tools: new Set(request.tools.map(({ name }) => name)),
      logprobs: request.logprobs !== undefined,
      ownItems: target.quirks.ownItems !== false,
      plainReasoning: target.quirks.plainReasoning === true,
    };
    return {
      call: {
        url: addressOf(target.baseUrl, target.quirks.path ?? '/responses', target.quirks.query),
        headers: { 'content-type': 'application/json', accept: request.stream ? 'text/event-stream' : 'application/json' },
        body: JSON.stringify(body),
      },
      framing: 'sse',
      ignored,
      reshape,
      response: (answer) => ({ response: readAnswer(answer, asked) }),
      decoder: () => createDecoder(asked),
    };
  },
  error: readFailure,
  severalChoices: () => false,
  imageUrls: ({ quirks }) => quirks.imageUrls !== false,
};
