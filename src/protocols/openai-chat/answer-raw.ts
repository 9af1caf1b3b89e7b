/** Answers that pass as they came, but for the name of the model and what the client did not ask for. */
import type { Json } from '../../core/chat.ts';
import { fields, list } from '../json.ts';
import type { StateField } from './provider-state.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface Passing {
  /** What the model is called in our own catalog. */
  readonly model: string;
  readonly provider: string;
  readonly includeUsage: boolean;
  /** The answer may hold state that is the provider's: the client is told that it is. */
  readonly providerState: boolean;
}

/** Gives the frame for a chunk (`data` is its text); '' where the client did not ask for what it says. */
export function createFramePasser(passing: Passing): (chunk: Fields, data: string) => string {
  const { model, includeUsage, providerState } = passing;
  const rename = createRenamer(model);

  return (chunk, data) => {
    const { choices, usage } = chunk;
    const empty = !Array.isArray(choices) || choices.length === 0;
    if (empty && (usage == null || !includeUsage)) return '';
    const tells = usage != null && !includeUsage;
    const owned = providerState && data.includes('"provider_state"');
    // who asks for usage is told on every chunk that there is none yet; not every chunk of OpenAI's own says so
    const lacksUsage = includeUsage && !('usage' in chunk);
    if (!tells && !owned) return rename(chunk, data, lacksUsage);
    const shown = owned ? ownState(chunk, passing) : { ...chunk };
    if (tells) delete shown['usage'];
    return writtenAnew(shown, model, lacksUsage);
  };
}

function writtenAnew(chunk: Fields, model: string, lacksUsage: boolean): string {
  return `data: ${JSON.stringify(lacksUsage ? { ...chunk, model, usage: null } : { ...chunk, model })}\n\n`;
}

/** The fields that the contract has on every answer are there; some are left out by OpenAI itself (`refusal`, beside sound). */
export function isComplete(body: Fields): boolean {
  for (const choice of list(body['choices'])) {
    const message = fields(fields(choice)['message']);
    if (!('content' in message && 'refusal' in message)) return false;
  }
  return true;
}

/** The text of a whole answer. */
export function passBody(body: Fields, passing: Passing): string {
  return JSON.stringify({ ...(passing.providerState ? ownState(body, passing) : body), model: passing.model });
}

/**
 * The name is cut out of the text where it stands before the choices, as it does in OpenAI's own frames; else the chunk is
 * written anew. The frames of a stream begin alike up to there.
 */
function createRenamer(model: string): (chunk: Fields, data: string, lacksUsage: boolean) => string {
  const named = `"model":${JSON.stringify(model)}`;
  let known: unknown;
  let needle = '';
  /** How the last frame began, up to the name and with it; '' before the first. */
  let begins = '';
  /** The same as it is sent. */
  let renamed = '';

  return (chunk, data, lacksUsage) => {
    if (chunk['model'] !== known) {
      known = chunk['model'];
      needle = typeof known === 'string' ? `"model":${JSON.stringify(known)}` : '';
      begins = '';
    }
    // compared as a whole: V8's startsWith looks at one character after the other
    if (begins === '' || data.slice(0, begins.length) !== begins) {
      const at = needle === '' ? -1 : data.indexOf(needle);
      // a brace before it: it may be the name in some other object
      if (at < 0 || data.lastIndexOf('{', at) > 0) return writtenAnew(chunk, model, lacksUsage);
      begins = data.slice(0, at + needle.length);
      renamed = `data: ${data.slice(0, at)}${named}`;
    }
    const rest = data.slice(begins.length);
    if (!lacksUsage) return `${renamed}${rest}\n\n`;
    const end = rest.lastIndexOf('}');
    return `${renamed}${rest.slice(0, end)},"usage":null${rest.slice(end)}\n\n`;
  };
}

/** A copy in which state belongs to the provider that gave it, whoever it got it from. */
function ownState(chunk: Fields, { provider }: Passing): Record<string, unknown> {
  const choices = list(chunk['choices']).map((entry) => {
    const choice = { ...fields(entry) };
    for (const key of ['delta', 'message']) {
      const said = fields(choice[key]);
      if (said['provider_state'] != null) choice[key] = { ...said, provider_state: owned(said['provider_state'], provider) };
    }
    return choice;
  });
  return { ...chunk, choices };
}

function owned(state: unknown, owner: string): StateField {
  // parsed from JSON, all of it
  return { owner, blocks: [{ type: 'opaque', data: { provider_state: state as Json } }] };
}
