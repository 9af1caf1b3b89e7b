// Writes docs/features.md: what becomes of each feature with each provider. Run it after a change of a wire or of the catalog.
import { writeFileSync } from 'node:fs';
import { featuresPage } from '../test/features/features.ts';

writeFileSync(new URL('../docs/features.md', import.meta.url), featuresPage());
