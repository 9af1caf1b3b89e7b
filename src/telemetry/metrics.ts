/**
 * The figures that Prometheus reads. Requests are counted when they are over, from what the server and the gateway noted
 * about them; what is so at this moment is asked for when the metrics are read. Names and units are those of
 * OpenTelemetry's conventions for GenAI in their Prometheus form, where there are any
 * (https://github.com/open-telemetry/semantic-conventions-genai), else they begin with `parlance_`.
 */
import { setImmediate } from 'node:timers/promises';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Observe } from '../gateway/ports.ts';
import { createBoundedNames } from './bounded-names.ts';
import { registerAdmission, registerEngines, registerTargets } from './gauges.ts';
import type { Sources } from './gauges.ts';
import { createRequestCounts } from './requests.ts';
import type { MetricState, Snapshot } from './together.ts';

export interface Metrics {
  readonly observe: Observe;
  /** Everything, in Prometheus' text format. */
  text(): Promise<string>;
  /** Everything as data, to be joined with that of other processes. */
  snapshot(): Promise<Snapshot>;
  readonly contentType: string;
  /** What there is, but for the figures of the process. */
  families(): readonly MetricFamily[];
}

export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export interface MetricsParts extends Sources {
  readonly version: string;
}

/** Names that become labels, of models and of targets each; all that come later are `other`. */
export const MOST_NAMES = 500;

export function createMetrics({ version, ...sources }: MetricsParts): Metrics {
  const registry = new Registry();
  const names = { models: createBoundedNames(MOST_NAMES), targets: createBoundedNames(MOST_NAMES) };
  const requests = createRequestCounts(registry, names);
  registerAdmission(registry, sources);
  registerTargets(registry, sources, names.targets);
  registerEngines(registry, sources, names.models);
  new Gauge({
    name: 'parlance_build_info',
    help: 'Always 1; the version is in its label.',
    labelNames: ['version'],
    registers: [registry],
    aggregator: 'first',
  }).set({ version }, 1);
  return {
    observe: requests.observe,
    async text() {
      requests.settle();
      const texts = [];
      for (const { name } of registry.getMetricsAsArray()) {
        texts.push(await registry.getSingleMetricAsString(name));
        // with hundreds of models it is a third of a second's work in all: requests get their turn between
        await setImmediate();
      }
      return `${texts.join('\n\n')}\n\n${await ofThisProcess()}`;
    },
    async snapshot() {
      requests.settle();
      const states = [];
      for (const metric of [...registry.getMetricsAsArray(), ...processRegistry().getMetricsAsArray()]) {
        states.push(await (metric as unknown as { get(): Promise<MetricState> }).get());
        await setImmediate();
      }
      return states.map(plain);
    },
    contentType: registry.contentType,
    // each metric has more than prom-client's types say of it
    families: () => registry.getMetricsAsArray().map((metric) => familyOf(metric as unknown as Described)),
  };
}

interface Described extends Omit<MetricFamily, 'labels'> {
  readonly labelNames: readonly string[];
}

function familyOf({ name, type, help, labelNames }: Described): MetricFamily {
  return { name, type, help, labels: labelNames };
}

let ofProcess: Registry | undefined;

function processRegistry(): Registry {
  if (!ofProcess) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
  }
  return ofProcess;
}

/** Nothing but data: prom-client's own have more about them. */
function plain({ name, help, type, aggregator, values }: MetricState): MetricState {
  return {
    name,
    help,
    type,
    aggregator,
    values: values.map(({ labels, value, metricName }) => ({
      labels: { ...labels },
      value,
      ...(metricName === undefined ? {} : { metricName }),
    })),
  };
}

/** The figures of the process, of which there is one, however many servers run in it. */
async function ofThisProcess(): Promise<string> {
  const text = await processRegistry().metrics();
  // a mean of nothing, which not every reader can read
  return text.replace(/^\S+ Nan\n/gm, '');
}
