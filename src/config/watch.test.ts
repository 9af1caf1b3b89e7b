import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { watchFile } from './watch.ts';
import type { FileWatch, WatchTimes } from './watch.ts';

const QUICK: WatchTimes = { settleMs: 5, emptyMs: 5, pollMs: 3_600_000 };

let folder: string;
let file: string;
let watching: FileWatch | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parlance-watch-'));
  file = join(folder, 'parlance.yaml');
});

afterEach(() => {
  watching?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A watch that has had its first look; `changes` counts what it told. */
async function watched(settings = QUICK, places: readonly string[] = [file]) {
  const news = new EventEmitter();
  const count = { changes: 0, looks: 0 };
  const counted = (): readonly string[] => {
    count.looks++;
    news.emit('look');
    return places;
  };
  watching = watchFile({
    places: counted,
    changed: () => {
      count.changes++;
      news.emit('changed');
    },
    times: settings,
  });
  /** Resolves when somebody has looked for that many times more. */
  const looked = async (times: number): Promise<void> => {
    for (const enough = count.looks + times; count.looks < enough;) await once(news, 'look', { signal: AbortSignal.timeout(20_000) });
  };
  watching.start();
  await looked(1);
  return {
    looked,
    changes: () => count.changes,
    async changed() {
      const before = count.changes;
      while (count.changes === before) await once(news, 'changed', { signal: AbortSignal.timeout(20_000) });
    },
  };
}

test('watch: new contents are told, written in place or put in place of the old', async () => {
  writeFileSync(file, 'one');
  const seen = await watched();
  let changed = seen.changed();
  writeFileSync(file, 'two');
  await changed;
  changed = seen.changed();
  writeFileSync(`${file}.new`, 'three');
  renameSync(`${file}.new`, file);
  await changed;
  changed = seen.changed();
  writeFileSync(file, 'four');
  await changed;
});

test('watch: a file that is empty for a moment has not changed yet', async () => {
  writeFileSync(file, 'one');
  const seen = await watched({ ...QUICK, emptyMs: 3_600_000 });
  writeFileSync(file, '');
  await seen.looked(5);
  rmSync(file);
  await seen.looked(5);
  assert.equal(seen.changes(), 0);
  const changed = seen.changed();
  writeFileSync(file, 'two');
  await changed;
  assert.equal(seen.changes(), 1);
});

test('watch: a touch and the same contents again are nothing', async () => {
  writeFileSync(file, 'one');
  const seen = await watched();
  let looked = seen.looked(1);
  utimesSync(file, new Date(), new Date());
  await looked;
  looked = seen.looked(1);
  writeFileSync(file, 'one');
  await looked;
  await seen.looked(0);
  const changed = seen.changed();
  writeFileSync(file, 'two');
  await changed;
  assert.equal(seen.changes(), 1);
});

test('watch: a link that is swapped beside the file is followed, as with config maps of Kubernetes', async () => {
  const version = (name: string, contents: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'parlance.yaml'), contents);
    symlinkSync(name, join(folder, '..data.new'));
    renameSync(join(folder, '..data.new'), join(folder, '..data'));
  };
  version('..first', 'one');
  symlinkSync('..data/parlance.yaml', file);
  const seen = await watched();
  for (const name of ['..second', '..third']) {
    const changed = seen.changed();
    version(name, name);
    await changed;
  }
  rmSync(join(folder, '..first'), { recursive: true });
  const changed = seen.changed();
  version('..fourth', 'four');
  await changed;
});

test('watch: a file behind a link to another folder is seen to change there', async () => {
  const elsewhere = join(folder, 'elsewhere', 'real.yaml');
  mkdirSync(dirname(elsewhere));
  writeFileSync(elsewhere, 'one');
  symlinkSync(elsewhere, file);
  const seen = await watched();
  const changed = seen.changed();
  writeFileSync(elsewhere, 'two');
  await changed;
});

test('watch: a file that is taken away and one that comes are changes', async () => {
  const second = join(folder, 'second.yaml');
  writeFileSync(second, 'two');
  const seen = await watched(QUICK, [file, second]);
  for (const step of [() => writeFileSync(file, 'one'), () => rmSync(file), () => rmSync(second), () => writeFileSync(second, 'two')]) {
    const changed = seen.changed();
    step();
    await changed;
  }
});

test('watch: where a folder cannot be watched, the file is looked at from time to time', async () => {
  const late = join(folder, 'not', 'there', 'parlance.yaml');
  const seen = await watched({ settleMs: 5, emptyMs: 5, pollMs: 10 }, [late]);
  const changed = seen.changed();
  mkdirSync(dirname(late), { recursive: true });
  writeFileSync(late, 'one');
  await changed;
});

test('watch: what changed between its making and its start is told; after its end nothing is', async () => {
  writeFileSync(file, 'one');
  let told = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  watching = watchFile({
    places: () => [file],
    changed: () => {
      told++;
      watching?.stop();
      resolve();
    },
    times: QUICK,
  });
  writeFileSync(file, 'two');
  watching.start();
  await promise;
  writeFileSync(file, 'three');
  // a watch of its own sees it, the one that was stopped does not
  const other = await watched();
  const changed = other.changed();
  writeFileSync(file, 'four');
  await changed;
  assert.equal(told, 1);
});
