/** How an answer begins: what it is called, and by which system it was made. */
import type { ChatResponse } from '../../core/chat.ts';
import { entry, text } from '../json.ts';
import type { AnswerHead, WireTarget } from '../wire.ts';

type Head = Pick<ChatResponse, 'id' | 'model' | 'created' | 'fingerprint' | 'serviceTier'>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'default',
  flex: 'flex',
  scale: 'scale',
  priority: 'priority',
  fast: 'fast',
  standard: 'default',
  on_demand: 'default',
  performance: 'priority',
};

/** Of a whole answer, or the first chunk of one. What the provider leaves out is taken from `head`; the model has our name. */
export function headOf(body: Readonly<Record<string, unknown>>, target: WireTarget, head: AnswerHead): Writable<Head> {
  const { id, created, system_fingerprint: fingerprint, service_tier: tier } = body;
  const made: Writable<Head> = {
    id: typeof id === 'string' && id !== '' ? id : head.id,
    model: target.model,
    created: typeof created === 'number' && created > 0 ? Math.floor(created) : head.created,
  };
  if (typeof fingerprint === 'string' && fingerprint !== '') made.fingerprint = fingerprint;
  const serviceTier = entry(TIERS, text(tier));
  if (serviceTier !== undefined) made.serviceTier = serviceTier;
  return made;
}
