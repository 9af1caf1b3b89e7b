import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { FEATURES, featuresPage, outcomeOf, plainOf, subjects, written } from './features.ts';

describe('features: every one is sent, done by us, reported or refused, and never dropped in silence', () => {
  for (const subject of subjects()) {
    test(subject.row.name, () => {
      for (const feature of FEATURES) {
        const outcome = outcomeOf(subject, feature);
        if (outcome !== 'translated' || !feature.path) continue;
        // what is said to be translated leaves a trace in the request
        const trace = (body: Readonly<Record<string, unknown>>): string => JSON.stringify(written(subject, body).call);
        assert.notEqual(trace(feature.body), trace(plainOf(feature)), `${feature.name} changes nothing`);
      }
    });
  }
});

test('features: docs/features.md says what the code does (node scripts/features.mjs writes it)', () => {
  assert.equal(readFileSync(new URL('../../docs/features.md', import.meta.url), 'utf8'), featuresPage());
});
