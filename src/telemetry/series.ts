/**
 * Counters and histograms of which whoever counts holds the one with their labels: to grow it costs an addition. prom-client's own
 * sort, join and check the labels at each step, which for the dozen figures of one request takes 20 µs; these take its form when
 * they are read.
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
  /** The one with these label values, in the order of the labels; an empty one is no label. From now on it is read. */
  of(values: readonly string[]): Total;
}

export interface Total {
  add(by: number): void;
}

export interface Histogram {
  /** As that of a counter. */
  of(values: readonly string[]): Distribution;
}

export interface Distribution {
  observe(value: number): void;
  /** Many at once: how many in each bucket, not added up, and their sum. */
  merge(counts: readonly number[], sum: number): void;
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

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

/** Everything that has the same labels. */
interface Series<C> {
  readonly labels: Readonly<Record<string, string>>;
  readonly cell: C;
}

interface Node<C> {
  readonly next: Map<string, Node<C>>;
  series: Series<C> | undefined;
}

interface AllSeries<C> {
  /** The cell of these label values, made where there is none. */
  cell(values: readonly string[]): C;
  readonly all: readonly Series<C>[];
}

/** Found by one label after the other: joining them into one key would cost more than all the rest. */
function createSeries<C>({ labels, always }: Naming, make: () => C): AllSeries<C> {
  const root: Node<C> = { next: new Map(), series: undefined };
  const all: Series<C>[] = [];
  return {
    all,
    cell(values) {
      let node = root;
      for (const value of values) {
        let next = node.next.get(value);
        if (!next) {
          next = { next: new Map(), series: undefined };
          node.next.set(value, next);
        }
        node = next;
      }
      if (!node.series) {
        const own = Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
        node.series = { labels: { ...always, ...own }, cell: make() };
        all.push(node.series);
      }
      return node.series.cell;
    },
  };
}

interface Sum extends Total {
  value: number;
}

function createSum(): Sum {
  const sum: Sum = {
    value: 0,
    add(by) {
      sum.value += by;
    },
  };
  return sum;
}

export function createCounter(registry: Registry, naming: Naming): Counter {
  const series = createSeries(naming, createSum);
  const samples = () => series.all.map(({ labels, cell }) => ({ labels, value: cell.value }));
  register(registry, naming, { type: 'counter', samples });
  return { of: series.cell };
}

/** A counter whose totals are kept elsewhere and asked for when it is read; those of the same labels are added up. */
export function readCounter(
  registry: Registry,
  naming: Naming,
  totals: () => Iterable<readonly [values: readonly string[], total: number]>,
): void {
  const samples = (): Sample[] => {
    const series = createSeries(naming, createSum);
    for (const [values, total] of totals()) series.cell(values).add(total);
    return series.all.map(({ labels, cell }) => ({ labels, value: cell.value }));
  };
  register(registry, naming, { type: 'counter', samples });
}

interface Buckets extends Distribution {
  /** One more than there are bounds: the last is for what is beyond. */
  readonly counts: number[];
  sum: number;
}

function createBuckets(bounds: readonly number[]): Buckets {
  const counts = [...bounds, Infinity].map(() => 0);
  const buckets: Buckets = {
    counts,
    sum: 0,
    observe(value) {
      let at = 0;
      while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
      counts[at] = (counts[at] ?? 0) + 1;
      buckets.sum += value;
    },
    merge(more, sum) {
      for (let at = 0; at < more.length; at++) counts[at] = (counts[at] ?? 0) + (more[at] ?? 0);
      buckets.sum += sum;
    },
  };
  return buckets;
}

/** `bounds`: upper ends of the buckets, rising. */
export function createHistogram(registry: Registry, naming: Naming, bounds: readonly number[]): Histogram {
  const series = createSeries(naming, () => createBuckets(bounds));

  const samplesOf = ({ labels, cell: { counts, sum } }: Series<Buckets>): Sample[] => {
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

  register(registry, naming, { type: 'histogram', samples: () => series.all.flatMap(samplesOf) });
  return { of: series.cell };
}
