/** The metrics of all workers, those that are gone included, as one. */
import type { MetricsSettings } from '../config/settings.ts';
import type { EngineFigures } from '../providers/llama/manager.ts';
import type { ReadableMetrics } from '../server/parts.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { joined, lasting, textOf } from '../telemetry/together.ts';
import type { Snapshot } from '../telemetry/together.ts';

export interface FiguresParts {
  readonly version: string;
  readonly enabled: boolean;
  readonly engines: () => readonly EngineFigures[];
  readonly workers: () => readonly { readonly name: string; readonly ask: () => Promise<unknown> }[];
}

export interface Figures {
  /** Of this process first, then of each worker, then of those that are gone. */
  all(): Promise<readonly Snapshot[]>;
  /** The last that a worker says of itself. */
  keep(name: string, snapshot: unknown): void;
  /** It is gone: what it counted stays, as far as it was told. */
  gone(name: string): void;
  /** For a server that shows them; absent where there are none. */
  readable(settings: MetricsSettings): ReadableMetrics | undefined;
}

export function createFigures({ version, enabled, engines, workers }: FiguresParts): Figures {
  const own = enabled
    ? createMetrics({ version, admission: () => ({ running: 0, waiting: 0 }), targets: () => new Map(), engines })
    : undefined;
  const seen = new Map<string, Snapshot>();
  let departed: Snapshot = [];

  const all = async (): Promise<readonly Snapshot[]> => {
    await Promise.all(
      workers().map(async ({ name, ask }) => {
        try {
          const snapshot = (await ask()) as Snapshot | undefined;
          if (snapshot) seen.set(name, snapshot);
        } catch {
          // it is busy, or gone: what it said the last time has to do
        }
      }),
    );
    return [...(own ? [await own.snapshot()] : []), ...seen.values(), departed];
  };

  return {
    all,
    keep(name, snapshot) {
      if (snapshot) seen.set(name, snapshot as Snapshot);
    },
    gone(name) {
      const last = seen.get(name);
      seen.delete(name);
      if (last) departed = joined([departed, lasting(last)]);
    },
    readable: (settings) => own && { settings, text: async () => textOf(joined(await all())), contentType: own.contentType },
  };
}
