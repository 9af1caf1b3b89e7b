/** Chat completions as we call them: OpenAI's API, and the many that follow it with differences (`quirks.ts`). */
import type { ChatRequest } from '../../core/chat.ts';
import { jsonFrom } from '../../core/json-pieces.ts';
import { thinkTags } from '../reshape/think-tags.ts';
import { addressOf } from '../url.ts';
import type { Prepared, Wire, WireTarget } from '../wire.ts';
import { errorOf } from './answer-errors.ts';
import { writeBody } from './call-body.ts';
import { createStreamDecoder, readAnswer } from './decode.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

const FOR_WHOLE = Object.freeze({ 'content-type': 'application/json', accept: 'application/json' });
const FOR_STREAM = Object.freeze({ 'content-type': 'application/json', accept: 'text/event-stream' });

/** Addresses that were made already: a target has one. */
const addresses = new WeakMap<WireTarget<OpenAIChatQuirks>, string>();

/**
 * The wire of chat completions. The body starts from the client's own (`request.raw`), so that fields nobody here knows
 * go through untouched; answers of faithful providers go back as they came.
 */
export const openaiChatWire: Wire<OpenAIChatQuirks> = {
  prepare(request, target, head): Prepared {
    const { body, ignored, reshape: steps } = writeBody(request, target);
    const reshape = target.quirks.thinkTags ? [thinkTags, ...steps] : steps;
    const context = { request, target, head, passes: mayPass(request, target.quirks, reshape.length) };
    return {
      call: {
        url: urlOf(target),
        headers: request.stream ? FOR_STREAM : FOR_WHOLE,
        body: jsonFrom(body, request.source),
      },
      framing: 'sse',
      ignored,
      reshape,
      response: (answer) => readAnswer(answer, context),
      decoder: () => createStreamDecoder(context),
    };
  },
  error: errorOf,
  severalChoices: ({ quirks }) => quirks.severalChoices !== false,
  imageUrls: ({ quirks }) => quirks.imageUrls !== false,
};

/** An answer passes as it came where nothing has to be done to it: no steps, no choices asked for one by one. */
function mayPass(request: ChatRequest, quirks: OpenAIChatQuirks, steps: number): boolean {
  return quirks.faithful === true && steps === 0 && !request.legacyFunctions && request.n === (request.raw['n'] ?? 1);
}

function urlOf(target: WireTarget<OpenAIChatQuirks>): string {
  const known = addresses.get(target);
  if (known !== undefined) return known;
  const { baseUrl, upstreamModel, quirks } = target;
  const path = (quirks.path ?? '/chat/completions').replaceAll('{model}', () => encodeURIComponent(upstreamModel));
  const made = addressOf(baseUrl, path, quirks.query);
  addresses.set(target, made);
  return made;
}
