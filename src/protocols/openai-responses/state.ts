/**
 * What of a provider's answer goes back to it with the next turn, as `ProviderState.data` of a block. All of it may
 * have been in a client's hands: it is read as carefully as an answer.
 *
 * - reasoning: the item, as it came (id, summary, encrypted content; the plain text where there is some)
 * - opaque: the item, as it came
 * - text: `{ phase }` of the message that held it
 * - tool call: `{ caller, namespace, thought_signature }`, where it has any
 */
import type { Json, ProviderState } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';

/** JSON as it came from the provider. */
export function asState(owner: string, data: unknown): ProviderState {
  // parsed JSON is JSON
  return { owner, data: data as Json };
}

export type Phase = 'commentary' | 'final_answer';

/** What a message is in its turn: words on the way, or the answer. Models that say so want to be told again. */
export function phaseOf(value: unknown): Phase | undefined {
  const { phase } = fields(value);
  return phase === 'commentary' || phase === 'final_answer' ? phase : undefined;
}

/**
 * Who called (a program of the model's, say), from which namespace of tools, and the signature of the thought behind it
 * (Perplexity, for models that want it back); undefined where it is nothing special.
 */
export function callFactsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const { caller, namespace, thought_signature: signature } = fields(value);
  const byProgram = text(fields(caller).caller_id) !== undefined;
  const inNamespace = text(namespace) !== undefined && namespace !== '';
  const signed = text(signature) !== undefined && signature !== '';
  if (!byProgram && !inNamespace && !signed) return undefined;
  return {
    ...(byProgram ? { caller } : {}),
    ...(inNamespace ? { namespace } : {}),
    ...(signed ? { thought_signature: signature } : {}),
  };
}

/** What the model thought, as it may be shown: the text itself where it is open, else the summary's parts. */
export function reasoningText(item: Readonly<Record<string, unknown>>): string {
  const parts = list(item.content).length > 0 ? list(item.content) : list(item.summary);
  return parts.map((part) => text(fields(part).text) ?? '').join(PARTS_APART);
}

/** Between two parts of a summary, each of which begins with a heading of its own. */
export const PARTS_APART = '\n\n';
