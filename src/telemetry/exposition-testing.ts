/** For tests: a small reader of Prometheus' text format, strict where a scraper is. */
import assert from 'node:assert/strict';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export type Exposition = ReadonlyMap<string, Family>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/y;

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length;) {
    const found = LABEL.exec(text);
    assert.ok(found, `labels: ${text}`);
    const [, name = '', value = ''] = found;
    assert.ok(!(name in labels), `a label twice: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  }
  return labels;
}

function numberOf(text: string): number {
  if (text === '+Inf') return Infinity;
  const value = Number(text);
  assert.ok(!Number.isNaN(value), text);
  return value;
}

/** Fails where a scraper would: a series twice, samples without a type, values that are none. */
export function readExposition(text: string): Exposition {
  assert.ok(text.endsWith('\n'), 'the last line has an end');
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const seen = new Set<string>();
  let family: { type: string; help: string; samples: Sample[] } | undefined;
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      assert.ok(!families.has(name), `${name} twice`);
      family = { type: '', help: rest, samples: [] };
      families.set(name, family);
      current = name;
    } else if (kind === 'TYPE') {
      assert.equal(name, current);
      if (family) family.type = rest;
    } else {
      const [, sample = '', labels = '', value = ''] = LINE.exec(line) ?? [];
      assert.ok(sample === current || (family?.type !== 'counter' && sample.startsWith(`${current}_`)), line);
      const series = `${sample}{${labels}}`;
      assert.ok(!seen.has(series), `${series} twice`);
      seen.add(series);
      family?.samples.push({ name: sample, labels: labelsOf(labels), value: numberOf(value) });
    }
  }
  return families;
}

type Labels = Readonly<Record<string, string>>;

function matching(exposition: Exposition, name: string, labels: Labels): readonly Sample[] {
  const family = exposition.get(name) ?? exposition.get(name.replace(/_(count|sum|bucket)$/, ''));
  const wanted = Object.entries(labels);
  return (family?.samples ?? []).filter((one) => one.name === name && wanted.every(([label, value]) => one.labels[label] === value));
}

/** The sum of all series of this name that have these labels, as `sum()` of a query gives it; 0 where there is none. */
export function total(exposition: Exposition, name: string, labels: Labels = {}): number {
  return matching(exposition, name, labels).reduce((sum, { value }) => sum + value, 0);
}

/** All values of a label, in order. */
export function labelValues(exposition: Exposition, name: string, label: string): readonly string[] {
  return [...new Set(matching(exposition, name, {}).map(({ labels }) => labels[label] ?? ''))].toSorted();
}
