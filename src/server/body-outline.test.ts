/** Which parts of a body may be sent on as they were written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pick, seeded } from '../../test/support/random.ts';
import { parseBody } from './body.ts';

const LONG = 'x'.repeat(2000);

/** The large fields, as they were written. */
function written(text: string): Readonly<Record<string, string>> {
  const found = parseBody(Buffer.from(text), 64).written ?? new Map<string, Uint8Array>();
  return Object.fromEntries(Array.from(found, ([name, bytes]) => [name, Buffer.from(bytes).toString()]));
}

test('body outline: large fields as they were written, in bytes', () => {
  assert.deepEqual(written(`{"a":1,"b": ["${LONG}", {"c":[",:}"]}] ,"d":"ü${LONG}"}`), {
    b: ` ["${LONG}", {"c":[",:}"]}] `,
    d: `"ü${LONG}"`,
  });
  assert.deepEqual(written(`\uFEFF{"ä":"é\\"","a":"${LONG}"\n}`), { a: `"${LONG}"\n` });
  assert.deepEqual(written(`["${LONG}"]`), {});
  assert.deepEqual(written(`"${LONG}"`), {});
  assert.deepEqual(written('{"a":[1,2]}'), {});
});

test('body outline: of a name that stands twice the last counts, in whatever spelling', () => {
  assert.deepEqual(written(`{"a":"${LONG}","a":"y${LONG}"}`), { a: `"y${LONG}"` });
  assert.deepEqual(written(`{"a":"${LONG}","a":1}`), {});
  assert.deepEqual(written(`{"a":"${LONG}","\\u0061":1}`), {});
  assert.deepEqual(written(`{"\\u0061":1,"a":"${LONG}"}`), {});
});

test('body outline: of many large fields a few are told, and never one that is not the last of its name', () => {
  const many = Array.from({ length: 20 }, (_, index) => `"f${index}":"${LONG}"`);
  assert.equal(Object.keys(written(`{${many.join(',')}}`)).length, 8);
  const again = [...many, `"f0":"y${LONG}"`, '"f1":1'];
  const told = written(`{${again.join(',')}}`);
  assert.equal(told['f0'], `"y${LONG}"`);
  assert.equal(told['f1'], undefined);
});

test('body outline: a long name is looked through once, however many colons follow it', () => {
  // the time of the two of them multiplied: seven seconds of 2 MiB, half an hour of the 32 that a server takes
  const text = `{"${'a'.repeat(1024 * 1024)}"${':,'.repeat(512 * 1024)}`;
  const before = process.cpuUsage();
  assert.throws(() => parseBody(Buffer.from(text), 64), /not valid JSON/);
  const { user } = process.cpuUsage(before);
  assert.ok(user < 2_000_000, `${user} µs`);
});

test('body outline: what is sent on says what was parsed, whatever the body', () => {
  const random = seeded(35);
  const pieces = ['a', '"', '\\', 'ä', '😀', '{', '}', '[', ']', ':', ',', '\n', '\u2028', '\\u0061'];
  const text = (): string => Array.from({ length: Math.floor(random() * 12) }, () => pick(pieces, random)).join('');
  const make = (depth: number): unknown => {
    const kind = random();
    if (kind < 0.15) return text().repeat(200);
    if (kind < 0.5 || depth > 3) return pick([1, -0.5, true, null, text(), '', 1e21], random);
    if (kind < 0.75) return Array.from({ length: Math.floor(random() * 5) }, () => make(depth + 1));
    return object(depth + 1);
  };
  // V8 takes some names of backslashes for others that it has just read
  const name = (): string => [...text().replaceAll('\\', '')].slice(0, 3).join('');
  const object = (depth: number): object =>
    Object.fromEntries(Array.from({ length: Math.floor(random() * 6) }, () => [name(), make(depth)]));
  let found = 0;
  for (let round = 0; round < 2000; round++) {
    const value = object(0);
    const parsed = parseBody(Buffer.from(JSON.stringify(value, undefined, pick([0, 2], random))), 64);
    assert.deepEqual(parsed.value, value);
    for (const [name, bytes] of parsed.written ?? []) {
      found++;
      assert.deepEqual(JSON.parse(Buffer.from(bytes).toString()), (value as Readonly<Record<string, unknown>>)[name]);
    }
  }
  assert.ok(found > 200, String(found));
});
