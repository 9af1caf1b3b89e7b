import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createLogger, requestLog } from './log.ts';

function collector() {
  const lines: string[] = [];
  return { lines, stream: { write: (line: string) => void lines.push(line) } };
}

test('log: a line is JSON with a level by name and a time', () => {
  const { lines, stream } = collector();
  const log = createLogger({ level: 'info', format: 'json' }, { stream });
  log.debug('not this');
  log.warn({ id: 'req_1', status: 503 }, 'request');
  assert.equal(lines.length, 1);
  const { time, ...line } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(line, { level: 'warn', id: 'req_1', status: 503, msg: 'request' });
});

test('log: auto is JSON where nobody looks, pretty is for people', () => {
  const auto = collector();
  createLogger({ level: 'info', format: 'auto' }, { stream: auto.stream }).info('x');
  assert.doesNotThrow(() => JSON.parse(auto.lines[0] ?? ''));
  const url = JSON.stringify(new URL('log.ts', import.meta.url).href);
  const run = (format: string): string =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { createLogger, requestLog } from ${url}; createLogger({ level: 'info', format: '${format}' }).info({ id: 'req_1', error: 'no_key' }, 'hello');`,
      ],
      { encoding: 'utf8' },
    );
  // "error" is an error's kind here, and no reason for a line of its own
  assert.match(run('pretty'), /^\[\d\d:\d\d:\d\d\] INFO: hello \{"id":"req_1","error":"no_key"\}\n$/);
  assert.equal((JSON.parse(run('auto')) as { msg: string }).msg, 'hello');
});

test('log: lines written just before the process exits are not lost', () => {
  const url = JSON.stringify(new URL('log.ts', import.meta.url).href);
  const script = `import { createLogger, requestLog } from ${url};
    const log = createLogger({ level: 'info', format: 'json' });
    for (let i = 0; i < 1000; i++) log.info({ i }, 'line');
    process.exit(0);`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(out.trim().split('\n').length, 1000);
});

test('log: the line of a request is the one that pino itself makes', () => {
  const fields = {
    id: 'req_1',
    status: 200,
    key: 'a"b\\c\nd\u2028\ud800',
    absent: undefined,
    attempts: [{ target: 'p/m', ms: 1.5 }],
    stream: false,
  };
  for (const bindings of [undefined, { worker: 'w"1' }]) {
    const [own, pinos] = [collector(), collector()];
    const options = bindings ? { bindings } : {};
    requestLog(createLogger({ level: 'info', format: 'json' }, { ...options, stream: own.stream }))('info', fields);
    createLogger({ level: 'info', format: 'json' }, { ...options, stream: pinos.stream }).info(fields, 'request');
    const [one, other] = [own, pinos].map(({ lines }) => ({ ...(JSON.parse(lines[0] ?? '') as object), time: '' }));
    assert.deepEqual(one, other);
    assert.deepEqual(Object.keys(one ?? {}), Object.keys(other ?? {}));
    assert.equal(own.lines[0]?.at(-1), '\n');
  }
});

test('log: a logger with fields of its own has them in the line of a request too', () => {
  const { lines, stream } = collector();
  requestLog(createLogger({ level: 'info', format: 'json' }, { stream }).child({ part: 'x' }))('info', { id: 'req_1' });
  const { part, id } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.deepEqual([part, id], ['x', 'req_1']);
});
