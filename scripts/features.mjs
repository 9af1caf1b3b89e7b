// Writes docs/features.md (what becomes of each feature with each provider) and the made parts of docs/providers.md (the table
// of providers, and what each quirk does). Run it after a change of a wire or of the catalog: node scripts/features.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { featuresPage } from '../test/features/features.ts';
import { withMadeParts } from '../test/features/provider-table.ts';

writeFileSync(new URL('../docs/features.md', import.meta.url), featuresPage());

const providers = new URL('../docs/providers.md', import.meta.url);
writeFileSync(providers, withMadeParts(readFileSync(providers, 'utf8')));
