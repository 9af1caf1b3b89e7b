/** By what a caller returns to the same target, and the order of targets that follows from it. */
import type { Block, Message } from '../core/chat.ts';
import type { Call } from '../core/call.ts';
import type { RouteTarget, Sticky } from './route.ts';

/** Of a long text its beginning, its end and its length are enough: the same text gives the same hash. */
const MOST_CHARACTERS = 1024;

/**
 * The hash of what the policy goes by, together with the caller: tenants never share one. Undefined where the request
 * has nothing of the kind.
 */
export function stickyHash(call: Call, sticky: Sticky): number | undefined {
  const { request, principal } = call;
  const caller = (kind: Sticky): number => hashText(hashText(SEED, principal.id), kind);

  if (sticky === 'cache-key' || sticky === 'auto') {
    const cacheKey = request.raw['prompt_cache_key'];
    if (typeof cacheKey === 'string' && cacheKey !== '') return hashText(caller('cache-key'), cacheKey);
  }
  if (sticky === 'user' || sticky === 'auto') {
    const user = request.safetyIdentifier ?? request.user;
    if (user !== undefined && user !== '') return hashText(caller('user'), user);
  }
  if (sticky === 'conversation' || sticky === 'auto') return hashBeginning(caller('conversation'), request.messages);
  return undefined;
}

/** The instructions and the first thing the user said after them; later turns of the conversation don't change it. */
function hashBeginning(seed: number, messages: readonly Message[]): number | undefined {
  if (messages.length === 0) return undefined;
  let hash = seed;
  for (const message of messages) {
    if (message.role === 'user') return hashMessage(hash, message);
    if (message.role === 'system' || message.role === 'developer') hash = hashMessage(hash, message);
  }
  return hash;
}

function hashMessage(seed: number, { role, blocks }: Message): number {
  let hash = hashText(seed, role);
  for (const block of blocks) hash = hashText(hash, contentOf(block));
  return hash;
}

function contentOf(block: Block): string {
  switch (block.type) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return block.text;
    case 'image':
      return block.url;
    case 'audio':
    case 'speech':
      return block.data;
    case 'file':
      return block.data ?? block.fileId ?? '';
    case 'tool_call':
      return block.input;
    case 'opaque':
      return '';
  }
}

const SEED = 0x811c9dc5;

/** FNV-1a over UTF-16 units, the length first. */
function hashText(seed: number, text: string): number {
  let hash = Math.imul(seed ^ text.length, 0x01000193);
  const { length } = text;
  if (length <= MOST_CHARACTERS) return hashRange(hash, text, { from: 0, to: length });
  hash = hashRange(hash, text, { from: 0, to: MOST_CHARACTERS / 2 });
  return hashRange(hash, text, { from: length - MOST_CHARACTERS / 2, to: length });
}

function hashRange(seed: number, text: string, { from, to }: { from: number; to: number }): number {
  let hash = seed;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** Spreads every bit over all of them (the finisher of MurmurHash3); 0 < result < 1. */
function spreadOut(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return ((mixed >>> 0) + 0.5) / 2 ** 32;
}

/**
 * Rendezvous hashing with weights: where a target stands depends on nothing but the hash, its key and its weight, so one
 * that joins or leaves moves only the callers that it takes or had.
 */
export function stickyOrder(targets: readonly RouteTarget[], hash: number): readonly RouteTarget[] {
  return targets
    .map((target) => ({ target, distance: -Math.log(spreadOut(hashText(hash, target.key))) / Math.max(0, target.weight) }))
    .toSorted((a, b) => a.distance - b.distance)
    .map(({ target }) => target);
}
