/**
 * Compiled schemas, kept: agents send the same tools with every turn, and compiling takes milliseconds of the event
 * loop. What one request may spend on schemas that are not known yet is bounded.
 */
import type { JsonSchema } from '../../../core/chat.ts';
import { GatewayError } from '../../../core/error.ts';
import { compileSchema } from '../grammar/compile.ts';

export type CompileOptions = Parameters<typeof compileSchema>[1];
export type Compiled = ReturnType<typeof compileSchema>;

/** Milliseconds of CPU time after which no further schema of the same request is begun: by the clock, a busy machine would refuse good ones. */
const BUDGET_MS = 1000;
const KEPT = { entries: 512, characters: 4_000_000 };

const known = new Map<string, Compiled>();
let characters = 0;

function keep(key: string, compiled: Compiled): void {
  known.set(key, compiled);
  characters += key.length;
  for (const oldest of known.keys()) {
    if (known.size <= KEPT.entries && characters <= KEPT.characters) return;
    known.delete(oldest);
    characters -= oldest.length;
  }
}

/** What a request has spent so far. */
export interface CompileBudget {
  spentMs: number;
}

/** As `compileSchema`; throws `invalid_json_schema` where the request's schemas take too long. */
export function compileWithin(budget: CompileBudget, schema: JsonSchema, options: CompileOptions): Compiled {
  const key = JSON.stringify([options.mode, options.prefix, options.path, schema]);
  const hit = known.get(key);
  if (hit) {
    known.delete(key);
    known.set(key, hit);
    return hit;
  }
  if (budget.spentMs > BUDGET_MS) {
    throw new GatewayError(
      'invalid_json_schema',
      'The schemas of this request are too complex to compile in time. Send fewer or simpler ones.',
      {
        param: options.path,
      },
    );
  }
  const began = process.threadCpuUsage();
  const compiled = compileSchema(schema, options);
  const { user, system } = process.threadCpuUsage(began);
  budget.spentMs += (user + system) / 1000;
  keep(key, compiled);
  return compiled;
}
