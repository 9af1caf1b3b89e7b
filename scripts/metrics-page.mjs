// Writes the tables of docs/metrics.md, which are made of the metrics themselves.
// Run it after a change of src/telemetry: node scripts/metrics-page.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { withTables } from '../src/telemetry/metrics-page.ts';

const page = new URL('../docs/metrics.md', import.meta.url);
writeFileSync(page, withTables(readFileSync(page, 'utf8')));
