/** The signatures that Gemini puts on parts of its answer, kept with the blocks and sent back with the next turn. */
import type { Json, ProviderState } from '../../core/chat.ts';
import type { WireTarget } from '../wire.ts';
import { fields, text } from '../json.ts';
import type { Part } from './parts.ts';

/** Who signs: a signature means nothing to another provider, nor to another model of the same one. */
export interface Signer {
  readonly provider: string;
  readonly upstreamModel: string;
}

export const signerOf = ({ provider, upstreamModel }: WireTarget): Signer => ({ provider, upstreamModel });

/** For a text or a call. */
export function signed({ provider, upstreamModel }: Signer, signature: string): ProviderState {
  return { owner: provider, data: { signature, model: upstreamModel } };
}

/** For a thought: with its text, which clients may lose. */
export function signedThought(signer: Signer, thought: { readonly text: string; readonly signature: string }): ProviderState {
  return { owner: signer.provider, data: { ...thought, model: signer.upstreamModel } };
}

/** For a part that no block stands for. */
export function keptPart({ provider, upstreamModel }: Signer, part: Readonly<Record<string, unknown>>): ProviderState {
  return { owner: provider, data: { part: part as Json, model: upstreamModel } };
}

/** What the state says, where it is the signer's own. */
interface Recalled {
  readonly signature?: string;
  readonly text?: string;
  readonly part?: Part;
}

export function recall(state: ProviderState | undefined, { provider, upstreamModel }: Signer): Recalled {
  if (state?.owner !== provider) return {};
  const data = fields(state.data);
  const own = data['model'] === upstreamModel;
  const signature = own ? text(data['signature']) : undefined;
  const thought = text(data['text']);
  return {
    ...(signature ? { signature } : {}),
    ...(thought === undefined ? {} : { text: thought }),
    ...(typeof data['part'] === 'object' && data['part'] !== null ? { part: partOf(fields(data['part']), own) } : {}),
  };
}

/** Of another model's part the signature is left out. */
function partOf(part: Readonly<Record<string, unknown>>, own: boolean): Part {
  if (own) return part;
  return Object.fromEntries(Object.entries(part).filter(([name]) => name !== 'thoughtSignature'));
}
