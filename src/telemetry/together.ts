/** The figures of several processes as those of one. */
import { setImmediate } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { Metric } from 'prom-client';

/** How the figures of several processes become one; prom-client's words. */
type Aggregator = 'sum' | 'first' | 'min' | 'max' | 'average' | 'omit';

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a histogram's parts. */
  readonly metricName?: string;
}

export interface MetricState {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: Aggregator;
  readonly values: readonly Sample[];
}

/** All figures of one process at one moment: plain data. */
export type Snapshot = readonly MetricState[];

interface Joined {
  readonly state: MetricState;
  readonly cells: Map<string, { readonly sample: Sample; readonly values: number[] }>;
}

/** Counters, histograms and most gauges are added up; states of breakers are the worst of all; what belongs to the first alone is its own. */
export function joined(snapshots: readonly Snapshot[]): Snapshot {
  const byName = new Map<string, Joined>();
  for (const state of snapshots.flat()) {
    const metric: Joined = byName.get(state.name) ?? { state, cells: new Map() };
    byName.set(state.name, metric);
    for (const sample of state.values) {
      if (Number.isNaN(sample.value)) continue;
      const key = JSON.stringify([sample.metricName, sample.labels]);
      const cell = metric.cells.get(key);
      if (cell) cell.values.push(sample.value);
      else metric.cells.set(key, { sample, values: [sample.value] });
    }
  }
  return Array.from(byName.values(), ({ state, cells }) => ({
    ...state,
    values: Array.from(cells.values(), ({ sample, values }) => ({ ...sample, value: combine(state.aggregator, values) })),
  }));
}

function combine(aggregator: Aggregator, values: readonly number[]): number {
  const sum = (): number => values.reduce((all, one) => all + one, 0);
  switch (aggregator) {
    case 'sum':
      return sum();
    case 'average':
      return sum() / values.length;
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'first':
    case 'omit':
      return values[0] ?? 0;
  }
}

/** What stays of the figures of a process that is gone: totals must not go back. */
export function lasting(snapshot: Snapshot): Snapshot {
  return snapshot.filter(({ type }) => type === 'counter' || type === 'histogram');
}

/** In Prometheus' text format. */
export async function textOf(snapshot: Snapshot): Promise<string> {
  const registry = new Registry();
  for (const state of snapshot) {
    registry.registerMetric({ ...state, get: async () => state, reset: () => undefined } as unknown as Metric);
  }
  const texts: string[] = [];
  for (const { name } of snapshot) {
    texts.push(await registry.getSingleMetricAsString(name));
    // with hundreds of models it is a third of a second's work in all: requests get their turn between
    await setImmediate();
  }
  return `${texts.join('\n\n')}\n`;
}
