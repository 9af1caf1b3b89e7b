import { inspect } from 'node:util';
import type { Secret } from './settings.ts';

/** A text that neither JSON nor the console shows. */
export function secret(text: string): Secret {
  const hidden = { reveal: () => text, toJSON: () => '[secret]', [inspect.custom]: () => '[secret]' };
  return hidden;
}
