import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Bequest } from '../../gateway/store-ports.ts';
import { lineOf, linesOf, spentText, textOf, toldText } from './lines.ts';
import type { Line } from './lines.ts';
import { recordLike } from './testing.ts';

const spentLine = (...of: Parameters<typeof spentText>): string => `${spentText(...of)}\n`;
const toldLine = (holdId: string): string => `${toldText(holdId)}\n`;

const dir = mkdtempSync(join(tmpdir(), 'parlance-lines-'));
after(() => rmSync(dir, { recursive: true }));

async function read(lines: readonly string[]): Promise<readonly (Line | undefined)[]> {
  const file = join(dir, 'journal.jsonl');
  writeFileSync(file, lines.join(''));
  const found: (Line | undefined)[] = [];
  for await (const line of linesOf(file)) found.push(line);
  return found;
}

const bequest: Bequest = { holdId: 's', by: 'process', how: 'held', charges: [] };
const all = {
  cacheWriteTokens: 9,
  cacheWriteLongTokens: 4,
  audioTokens: 8,
  completionAudioTokens: 5,
  imageTokens: 7,
  completionImageTokens: 6,
  cache: 'miss',
  provider: 'p',
  projectId: 'q',
  errorKind: 'upstream',
  firstOutputMs: 3,
} as const;

test('journal lines: what is written is read as it was', async () => {
  const record = recordLike({ id: 'a', ...all });
  assert.deepEqual(await read([lineOf(record), spentLine(bequest, [textOf(record)]), toldLine('s')]), [
    { kind: 'record', record },
    { kind: 'spent', bequest, records: [record] },
    { kind: 'told', holdId: 's' },
  ]);
});

test('journal lines: one of a version that knew fewer kinds of tokens has none of the others', async () => {
  const later = { cacheWriteLongTokens: 0, completionAudioTokens: 0, imageTokens: 0, completionImageTokens: 0 };
  const earlier = (line: string): string =>
    `${JSON.stringify(JSON.parse(line), (name, value: unknown) => (Object.hasOwn(later, name) ? undefined : value))}\n`;
  const record = recordLike({ id: 'a', ...all });
  const wanted = { ...record, ...later };
  assert.deepEqual(await read([earlier(lineOf(record)), earlier(spentLine(bequest, [textOf(record)]))]), [
    { kind: 'record', record: wanted },
    { kind: 'spent', bequest, records: [wanted] },
  ]);
});
