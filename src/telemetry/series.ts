/**
 * Counters and histograms that cost one look into a map to grow. prom-client's own sort, join and check the labels at
 * each step, which for the dozen figures of one request takes 20 µs; these take its form when they are read.
 */
import type { Metric, Registry } from 'prom-client';

export interface Naming {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Labels that are always the same. */
  readonly always?: Readonly<Record<string, string>>;
}

export interface Counter {
  /** Label values in the order of the labels; an empty one is no label. */
  add(values: readonly string[], by?: number): void;
}

export interface Histogram {
  observe(values: readonly string[], value: number): void;
  /** Many at once: how many in each bucket, not added up, and their sum. */
  merge(values: readonly string[], counts: readonly number[], sum: number): void;
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** Stands between label values, none of which has it in it. */
const BETWEEN = '\u0000';

/** Puts a metric of our own into a registry, which asks of one no more than this. */
function register(
  registry: Registry,
  { name, help, labels, always }: Naming,
  { type, samples }: { readonly type: 'counter' | 'histogram'; readonly samples: () => readonly Sample[] },
): void {
  const get = async () => ({ name, help, type, values: samples(), aggregator: 'sum' });
  const labelNames = [...Object.keys(always ?? {}), ...labels];
  registry.registerMetric({ name, help, type, labelNames, get, reset: () => undefined } as unknown as Metric);
}

function labelled({ labels, always }: Naming, key: string): Readonly<Record<string, string>> {
  const values = key.split(BETWEEN);
  return { ...always, ...Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])) };
}

export function createCounter(registry: Registry, naming: Naming): Counter {
  const totals = new Map<string, number>();
  register(registry, naming, {
    type: 'counter',
    samples: () => Array.from(totals, ([key, value]) => ({ labels: labelled(naming, key), value })),
  });
  // without labels there is one series, and it is there from the start
  if (naming.labels.length === 0) totals.set('', 0);
  return {
    add(values, by = 1) {
      const key = values.join(BETWEEN);
      totals.set(key, (totals.get(key) ?? 0) + by);
    },
  };
}

/** A counter whose totals are kept elsewhere and asked for when it is read; those of the same labels are added up. */
export function readCounter(
  registry: Registry,
  naming: Naming,
  totals: () => Iterable<readonly [values: readonly string[], total: number]>,
): void {
  const samples = (): Sample[] => {
    const byKey = new Map<string, number>();
    for (const [values, total] of totals()) {
      const key = values.join(BETWEEN);
      byKey.set(key, (byKey.get(key) ?? 0) + total);
    }
    return Array.from(byKey, ([key, value]) => ({ labels: labelled(naming, key), value }));
  };
  register(registry, naming, { type: 'counter', samples });
}

interface Cell {
  /** One more than there are bounds: the last is for what is beyond. */
  readonly counts: number[];
  sum: number;
}

/** `bounds`: upper ends of the buckets, rising. */
export function createHistogram(registry: Registry, naming: Naming, bounds: readonly number[]): Histogram {
  const cells = new Map<string, Cell>();

  const cellOf = (values: readonly string[]): Cell => {
    const key = values.join(BETWEEN);
    const known = cells.get(key);
    if (known) return known;
    const cell = { counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
    cells.set(key, cell);
    return cell;
  };

  const samplesOf = ([key, { counts, sum }]: readonly [string, Cell]): Sample[] => {
    const labels = labelled(naming, key);
    let below = 0;
    const buckets = counts.map((count, at): Sample => {
      below += count;
      return { labels: { ...labels, le: bounds[at] ?? '+Inf' }, value: below, metricName: `${naming.name}_bucket` };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${naming.name}_sum` },
      { labels, value: below, metricName: `${naming.name}_count` },
    ];
  };

  register(registry, naming, { type: 'histogram', samples: () => [...cells].flatMap(samplesOf) });
  return {
    observe(values, value) {
      const cell = cellOf(values);
      let at = 0;
      while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
      cell.counts[at] = (cell.counts[at] ?? 0) + 1;
      cell.sum += value;
    },
    merge(values, counts, sum) {
      const cell = cellOf(values);
      for (const [at, count] of counts.entries()) cell.counts[at] = (cell.counts[at] ?? 0) + count;
      cell.sum += sum;
    },
  };
}
