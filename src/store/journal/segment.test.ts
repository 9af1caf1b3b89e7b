import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSegment } from './segment.ts';

const dir = mkdtempSync(join(tmpdir(), 'parlance-segment-'));
after(() => rmSync(dir, { recursive: true }));

test('journal segment: lines of any length and any characters are in the file as they were given, until it is cleared', () => {
  const file = join(dir, 'a.jsonl');
  const segment = openSegment(file);
  const lengths = [0, 1, 455, 21_844, 21_845, 21_846, 65_535, 65_536, 200_000];
  const lines = ['a', 'é', '\u2028', '😀'].flatMap((character) => lengths.map((length) => character.repeat(length)));
  for (const line of lines) segment.append(line);
  const text = readFileSync(file, 'utf8');
  assert.ok(text === lines.map((line) => `${line}\n`).join(''));
  segment.clear();
  assert.equal(readFileSync(file, 'utf8'), '');
  segment.append('after');
  assert.equal(readFileSync(file, 'utf8'), 'after\n');
  segment.clear();
  segment.close();
  assert.equal(existsSync(file), false);
});
