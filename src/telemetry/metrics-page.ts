/** The tables of `docs/metrics.md`, made of the metrics themselves. */
import { createMetrics } from './metrics.ts';
import { OUTCOMES } from './outcome.ts';

/** Every metric but those of the process, with its labels and meaning. */
function metricsTable(): string {
  const metrics = createMetrics({
    version: '',
    admission: () => ({ running: 0, waiting: 0 }),
    targets: () => new Map(),
    engines: () => [],
  });
  const rows = metrics
    .families()
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`);
  return ['| metric | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function outcomesTable(): string {
  const rows = Object.entries(OUTCOMES).map(([outcome, meaning]) => `| \`${outcome}\` | ${meaning} |`);
  return ['| outcome | meaning |', '|---|---|', ...rows].join('\n');
}

/** The page with a table put between `<!-- mark -->` and `<!-- /mark -->`. Throws where it has no such place. */
function withTable(page: string, mark: string, table: string): string {
  const [before, rest] = page.split(`<!-- ${mark} -->`);
  const [, after] = rest?.split(`<!-- /${mark} -->`) ?? [];
  if (after === undefined) throw new Error(`no place for ${mark}`);
  return `${before}<!-- ${mark} -->\n\n${table}\n\n<!-- /${mark} -->${after}`;
}

/** The page as it has to be. */
export function withTables(page: string): string {
  return withTable(withTable(page, 'metrics', metricsTable()), 'outcomes', outcomesTable());
}
