/** What docs/metrics.md says of the metrics is what they are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { withTables } from '../../src/telemetry/metrics-page.ts';
import { readExposition } from '../../src/telemetry/exposition-testing.ts';

const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

test('docs: the tables of metrics.md are those of the metrics (node scripts/metrics-page.mjs writes them)', () => {
  assert.equal(page, withTables(page));
});

test('docs: every metric and label that metrics.md names is there', async () => {
  const metrics = createMetrics({
    version: '',
    admission: () => ({ running: 0, waiting: 0 }),
    targets: () => new Map(),
    engines: () => [],
  });
  const scraped = new Set(readExposition(await metrics.text()).keys());
  const labels = new Set(metrics.families().flatMap((family) => family.labels));
  const known = (name: string): boolean => scraped.has(name) || scraped.has(name.replace(/_bucket$/, '')) || labels.has(name);
  const named = page.match(/\b(?:gen_ai|parlance|process|nodejs)_\w+[a-z]\b/g) ?? [];
  assert.ok(named.length > 40);
  assert.deepEqual(
    named.filter((name) => !known(name)),
    [],
  );
});

test('docs: no metric is without a meaning, and none breaks the table', () => {
  const rows = page.split('\n').filter((line) => /^\| `(?:gen_ai|parlance)_/.test(line));
  assert.ok(rows.length >= 20, String(rows.length));
  for (const row of rows) assert.match(row, /^\| `\w+` \| (counter|gauge|histogram) \| [^|]* \| [A-Z0-9][^|]{9,}\. \|$/);
});
