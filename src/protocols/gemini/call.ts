/** generateContent and streamGenerateContent, of the Gemini API and of Vertex AI. */
import type { ChatResponse } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { createFolder } from '../../core/event.ts';
import type { Batch } from '../../core/event.ts';
import type { Decoder, Frame, Wire } from '../wire.ts';
import { createAnswerReader } from './answer.ts';
import type { AnswerOptions } from './answer.ts';
import { failureError } from './error.ts';
import { traitsOf } from './family.ts';
import type { GeminiQuirks } from './quirks.ts';
import { writeRequest } from './request.ts';
import { signerOf } from './state.ts';

export const geminiWire: Wire<GeminiQuirks> = {
  prepare(request, target, head) {
    const { url, headers, body, ignored, reshape, searching } = writeRequest(request, target);
    const options = { head, model: target.model, signer: signerOf(target) };
    return {
      call: { url, headers, body: JSON.stringify(body) },
      framing: 'sse',
      ignored,
      reshape,
      response: (answer) => ({ response: readWhole(answer, { ...options, keepText: true }) }),
      decoder: () => createDecoder({ ...options, keepText: searching }),
    };
  },
  error: failureError,
  severalChoices: ({ quirks }) => quirks.severalChoices === true,
  imageUrls: (target) => traitsOf(target).imageUrls,
};

function readWhole(answer: unknown, options: AnswerOptions): ChatResponse {
  const reader = createAnswerReader(options);
  const folder = createFolder();
  folder.push(reader.read(answer));
  folder.push(reader.end());
  return folder.end();
}

const NOTHING: Batch = { events: [] };

function createDecoder(options: AnswerOptions): Decoder {
  const reader = createAnswerReader(options);
  let broken = false;
  return {
    push({ data }: Frame) {
      if (broken || data === '' || data === '[DONE]') return NOTHING;
      const chunk = parsed(data);
      if (chunk !== undefined) return { events: reader.read(chunk) };
      broken = true;
      return { events: [{ type: 'error', error: new GatewayError('upstream', 'The provider sent a frame that is no JSON.') }] };
    },
    end: () => (broken ? NOTHING : { events: reader.end() }),
  };
}

/** Undefined where it is no JSON. */
function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
