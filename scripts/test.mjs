// npm test: sets up what is missing and runs the tests.
//   npm test                                   all of them
//   npm test -- src/core test/e2e/x.test.ts    those of a folder, or of a file
//   npm test -- --test-name-pattern=logprobs   node:test's own options pass through
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { becomeNode, findNode, nodeMissing } from './node.mjs';
import { ensureInstalled, root } from './setup.mjs';

/** Test files below the given places, which are files or folders; all of the project's where none is given. */
function testFiles(places) {
  const among = places.length > 0 ? places : ['src', 'test', 'scripts'].map((folder) => join(root, folder));
  return among.flatMap((place) => {
    if (!statSync(place, { throwIfNoEntry: false })?.isDirectory()) return [place];
    const below = readdirSync(place, { recursive: true }).filter(
      (name) => /\.test\.(ts|mjs)$/.test(name) && !name.includes('node_modules'),
    );
    return below.sort((a, b) => a.localeCompare(b)).map((name) => join(place, name));
  });
}

const given = process.argv.slice(2);
const options = given.filter((word) => word.startsWith('-'));
const files = testFiles(given.filter((word) => !word.startsWith('-')));

const installed = files.length > 0 && (await ensureInstalled({ dev: true }));
const node = installed ? findNode() : undefined;
if (node !== undefined) {
  // Two files at once even on two cores: most of their time is waiting for a server or the engine. A file that hangs fails.
  const concurrency = Math.max(2, availableParallelism() - 1);
  becomeNode(node, ['--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`, '--test-timeout=1200000', ...options, ...files]);
} else {
  if (files.length === 0) console.error('No test file found there.');
  if (installed) console.error(nodeMissing());
  process.exitCode = 1;
}
