import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { main } from '../main.ts';
import { readArgs, UsageError, type Page } from './args.ts';
import { PAGES } from './help.ts';
import { durationText, printable, sizeText, styleFor, tableText } from './output.ts';
import { barText, progressBar, statusLine } from './output-progress.ts';
import { fakeIo, type FakeIoOptions } from './output-testing.ts';

async function parlance(words: readonly string[], options?: FakeIoOptions) {
  const io = fakeIo(options);
  const code = await main(words, io);
  return { code, out: io.out(), err: io.err() };
}

test('command line: --help lists every command, on stdout and with exit code 0', async () => {
  const { code, out } = await parlance(['--help']);
  assert.equal(code, 0);
  for (const { name, summary } of PAGES) assert.match(out, new RegExp(`^ {2}${name} +${summary}$`, 'm'));
  assert.deepEqual(await parlance(['-h']), { code, out, err: '' });
  assert.deepEqual(await parlance(['help']), { code, out, err: '' });
});

test('command line: without a command the same help goes to stderr, with exit code 2', async () => {
  const { code, out, err } = await parlance([]);
  assert.equal(code, 2);
  assert.equal(out, '');
  assert.equal(err, (await parlance(['--help'])).out);
});

test('command line: help COMMAND and COMMAND --help are the same page, with each of its flags', async () => {
  for (const page of PAGES) {
    const { code, out } = await parlance(['help', page.name]);
    assert.equal(code, 0);
    for (const flag of Object.keys(page.flags)) assert.match(out, new RegExp(`--${flag}\\b.*[a-z]`), `${page.name} --${flag}`);
    assert.equal((await parlance([page.name, '--help'])).out, out);
    assert.equal((await parlance([page.name, 'x', '-h'])).out, out);
  }
});

test('command line: every flag of every page has words about it', () => {
  for (const { name, flags } of PAGES)
    for (const [flag, { about }] of Object.entries(flags)) assert.notEqual(about, '', `${name} --${flag}`);
});

test('command line: --version is the version alone', async () => {
  const { code, out } = await parlance(['--version']);
  assert.equal(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\S*\n$/);
});

test('command line: an unknown command is a usage error with the nearest one', async () => {
  const { code, err } = await parlance(['modles']);
  assert.equal(code, 2);
  assert.match(err, /error: unknown command "modles", did you mean "models"\?\nSee: parlance --help\n/);
  assert.match((await parlance(['xyzzy'])).err, /there are serve, chat, models, keys, backup, doctor, help/);
  assert.match((await parlance(['toString'])).err, /unknown command "toString"/);
});

test('command line: --config may stand before the command', async () => {
  const before = await parlance(['--config', '/does/not/exist.yaml', 'models', 'list']);
  const after = await parlance(['models', 'list', '--config', '/does/not/exist.yaml']);
  assert.equal(before.code, 1);
  assert.match(before.err, /exist\.yaml: cannot be read/);
  assert.deepEqual(before, after);
});

const PAGE: Page = {
  name: 'x',
  summary: '',
  usage: [],
  flags: { count: { value: 'N', about: '' }, loud: { about: '' } },
};

test('arguments: values, switches and words are told apart', () => {
  const args = readArgs(PAGE, ['one', '--count', '3', '--loud', 'two', '--config=f']);
  assert.deepEqual(args.positionals, ['one', 'two']);
  assert.equal(args.number('count', { min: 0 }), 3);
  assert.equal(args.has('loud'), true);
  assert.equal(args.text('config'), 'f');
  assert.equal(readArgs(PAGE, []).has('loud'), false);
});

test('arguments: what is wrong is said in words', () => {
  const fails = (argv: string[], message: RegExp) =>
    assert.throws(() => readArgs(PAGE, argv).number('count', { min: 0, max: 2, integer: true }), message);
  fails(['--cuont', '1'], /^Error: unknown flag --cuont, did you mean --count\?$/);
  fails(['-z'], /unknown flag -?-z/);
  fails(['--count'], /'--count' argument missing|--count/);
  fails(['--loud=yes'], /--loud.* does not take an argument/);
  fails(['--count', '3'], /--count must be a whole number from 0 to 2, not "3"/);
  fails(['--count', '1.5'], /whole number/);
  fails(['--count', ''], /whole number/);
  assert.throws(() => readArgs(PAGE, ['--nope']), UsageError);
});

test('output: sizes and times read well', () => {
  assert.deepEqual([0, 999, 1000, 98_362_432, 999_960, 4.2e9].map(sizeText), ['0 B', '999 B', '1.0 kB', '98.4 MB', '1.0 MB', '4.2 GB']);
  assert.deepEqual([0, 7.4, 65, 3723].map(durationText), ['0:00', '0:07', '1:05', '1:02:03']);
});

test('output: a table has even columns and no spaces at its ends', () => {
  assert.equal(
    tableText(
      [
        ['a', '1', ''],
        ['long', '22', 'x'],
      ],
      [1],
    ),
    'a      1\nlong  22  x',
  );
});

test('output: colours on a terminal alone, and not with NO_COLOR or a dumb terminal', () => {
  const red = (options: FakeIoOptions) => styleFor(fakeIo(options), 'stdout').red('x');
  assert.equal(red({ terminal: true }), '\u001b[31mx\u001b[39m');
  assert.equal(red({}), 'x');
  assert.equal(red({ terminal: true, env: { NO_COLOR: '1' } }), 'x');
  assert.equal(red({ terminal: true, env: { NO_COLOR: '' } }), '\u001b[31mx\u001b[39m');
  assert.equal(red({ terminal: true, env: { TERM: 'dumb' } }), 'x');
});

test('output: control characters are taken out, lines and tabs stay', () => {
  assert.equal(printable('a\u001b[31mb\r\u0007\n\tc\u009bd é 😀'), 'a[31mb\n\tcd é 😀');
});

test('progress: the line never reaches the last column', () => {
  const advance = { label: 'Downloading', bytes: 1.2e9, total: 2.8e9, rate: 12e6, eta: 133 };
  assert.equal(barText(advance, 100), 'Downloading  [#############-----------------]   42 %  1.2 GB of 2.8 GB  12.0 MB/s  2:13 left');
  for (let columns = 12; columns < 120; columns += 1) assert.ok(barText(advance, columns).length < columns, `${columns}`);
});

test('progress: on a terminal it is drawn at most ten times a second, and at the end', () => {
  const io = fakeIo({ terminal: true });
  let now = 0;
  const bar = progressBar(io, () => now);
  for (; now < 1000; now += 1) bar.update({ label: 'x', bytes: now, total: 1000, rate: 0 });
  bar.update({ label: 'x', bytes: 1000, total: 1000, rate: 0 });
  assert.equal(io.err().split('\r').length - 1, 11);
  assert.match(io.err(), /100 %/);
});

test('progress: elsewhere it is a line for every ten per cent', () => {
  const io = fakeIo();
  const bar = progressBar(io);
  for (let bytes = 0; bytes <= 1000; bytes += 7) bar.update({ label: 'Downloading', bytes, total: 1000, rate: 0 });
  bar.update({ label: 'Downloading', bytes: 1000, total: 1000, rate: 0 });
  const lines = io.err().trim().split('\n');
  assert.deepEqual([lines.length, lines[0], lines.at(-1)], [10, 'Downloading 10 % of 1.0 kB', 'Downloading 100 % of 1.0 kB']);
});

test('progress: a status line is for terminals, and is gone when it is cleared', () => {
  const quiet = fakeIo();
  statusLine(quiet).set('Loading');
  assert.equal(quiet.err(), '');
  const io = fakeIo({ terminal: true, env: { NO_COLOR: '1' } });
  const line = statusLine(io);
  line.set('Loading');
  line.clear();
  assert.equal(io.err(), '\r\u001b[K- Loading\r\u001b[K');
});

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

test('command line: as a process it ends with its exit code', () => {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, '--version'], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+/);
  assert.equal(spawnSync(process.execPath, [MAIN, 'nothing'], { encoding: 'utf8' }).status, 2);
});
