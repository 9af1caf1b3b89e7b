/** What docs/routing.md says of routes, failures, time-outs and what is shown is so. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config.ts';
import type { Config } from '../../src/config/settings.ts';
import { GatewayError } from '../../src/core/error.ts';
import type { ErrorKind } from '../../src/core/error.ts';
import { meaningOf } from '../../src/gateway/failure-meaning.ts';
import { createHealthBook, DEFAULT_BREAKER } from '../../src/gateway/health.ts';
import { DEFAULT_POLICY } from '../../src/gateway/route.ts';
import { verdictOf } from '../../src/gateway/verdict.ts';
import { providerAt, startRouted } from '../support/faulty-route.ts';
import type { LiveServer } from '../support/live-server.ts';
import { startUpstream } from '../support/upstream.ts';
import type { Upstream } from '../support/upstream.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(join(root, 'docs/routing.md'), 'utf8');
const blocksOf = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code = '']) => code);

const folder = mkdtempSync(join(tmpdir(), 'parlance-routing-docs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function load(yaml: string): Config {
  const file = join(folder, 'parlance.yaml');
  writeFileSync(file, yaml);
  return loadConfig({ file, env: {}, flags: {} });
}

test('routing: the defaults that are shown are those that hold without any', () => {
  const shown = blocksOf('yaml').filter((code) => code.startsWith('routing:'));
  assert.equal(shown.length, 1);
  assert.deepEqual(load(shown[0] ?? '').routing, load('').routing);
});

test('routing: every setting of a route and of the section is named', () => {
  const schema = JSON.parse(readFileSync(join(root, 'parlance.schema.json'), 'utf8')) as {
    properties: Record<string, { properties: Record<string, { additionalProperties?: { properties: object }; properties?: object }> }>;
  };
  const route = schema.properties['models']?.properties['routes']?.additionalProperties?.properties ?? {};
  const names = [...Object.keys(route), ...Object.keys(schema.properties['routing']?.properties ?? {})];
  assert.ok(names.length > 15);
  assert.deepEqual(
    names.filter((name) => !new RegExp(`[\`. ]${name}[\`:]`).test(page)),
    [],
  );
});

test('routing: strategies and kinds of stickiness are all told', () => {
  const { routes } = Object.assign({}, ...blocksOf('yaml').map((code) => load(code).models)) as Config['models'];
  assert.ok(Object.keys(routes).length > 0);
  for (const name of ['ordered', 'weighted', 'least-busy', 'lowest-latency', 'cheapest'])
    assert.match(page, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
  for (const name of ['cache-key', 'user', 'conversation', 'auto']) assert.match(page, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
});

/** Rows of a marked table: what stands in its first cells, and the word in bold behind them. */
function rowsOf(marker: string): readonly {
  readonly kinds: readonly ErrorKind[];
  readonly statuses: readonly number[];
  readonly word: string;
  readonly first: string;
}[] {
  const part = page.slice(page.indexOf(`<!-- ${marker} -->`), page.indexOf(`<!-- /${marker} -->`));
  return part
    .split('\n')
    .filter((line) => /\*\*\w+\*\*/.test(line))
    .map((line) => {
      const [, first = '', second = ''] = line.split(' | ').length > 1 ? ['', ...line.slice(2).split(' | ')] : [];
      return {
        first,
        kinds: [...first.matchAll(/`([a-z_]+)`/g)].map(([, kind]) => kind as ErrorKind),
        statuses: [...first.matchAll(/\b4\d\d\b/g)].map(([status]) => Number(status)),
        word: /\*\*(\w+)\*\*/.exec(second)?.[1] ?? '',
      };
    });
}

const refusal = (status: number, retryAfterMs?: number): GatewayError =>
  new GatewayError('reported', 'No.', {
    reported: { status, type: 'invalid_request_error', code: null },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
const STATUSES = Array.from({ length: 100 }, (_, at) => 400 + at);
const call = (raw: Readonly<Record<string, unknown>> = {}) => ({ request: { raw } }) as unknown as Parameters<typeof verdictOf>[1];

test('routing: the table of what is done about a failure is that of the code', () => {
  const rows = rowsOf('verdicts');
  assert.deepEqual(
    rows.map(({ word }) => word),
    ['again', 'elsewhere', 'larger', 'final'],
  );
  for (const { kinds, word } of rows)
    for (const kind of kinds) assert.equal(verdictOf(new GatewayError(kind, ''), call(), DEFAULT_POLICY), word, kind);
  const told = new Map(rows.flatMap(({ statuses, word }) => statuses.map((status) => [status, word])));
  for (const status of STATUSES)
    assert.equal(verdictOf(refusal(status), call(), DEFAULT_POLICY), told.get(status) ?? 'final', String(status));
});

test('routing: a completion that is to be kept goes back where it may have been carried out', () => {
  for (const kind of ['upstream', 'upstream_timeout'] as const)
    assert.equal(verdictOf(new GatewayError(kind, ''), call({ store: true }), DEFAULT_POLICY), 'final');
  assert.equal(verdictOf(new GatewayError('overloaded', ''), call({ store: true }), DEFAULT_POLICY), 'again');
});

test('routing: the table of what a failure says of its target is that of the code', () => {
  const rows = rowsOf('meanings');
  for (const { kinds, word } of rows) for (const kind of kinds) assert.equal(meaningOf(new GatewayError(kind, '')), word, kind);
  const told = new Map(rows.flatMap(({ statuses, word }) => statuses.map((status) => [status, word])));
  told.delete(429);
  for (const [status, word] of told) assert.equal(meaningOf(refusal(status)), word, String(status));
  for (const status of STATUSES.filter((one) => !told.has(one) && one !== 429))
    assert.equal(meaningOf(refusal(status)), 'works', String(status));
  const limits = rows.filter(({ statuses }) => statuses.includes(429)).map(({ first, word }) => [/with a/.test(first), word]);
  assert.deepEqual(limits, [
    [true, meaningOf(refusal(429, 1000))],
    [false, meaningOf(refusal(429))],
  ]);
});

test('routing: the words of each time-out are those of the code', () => {
  const code = ['src/gateway/attempt.ts', 'src/gateway/attempts.ts', 'src/providers/unreached.ts']
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .join('\n');
  const table = page.slice(page.indexOf('## Time-outs'));
  const errors = [...table.matchAll(/^\|[^|]*\|[^|]*\|[^|]*\| `([^`]+)` \|$/gm)].map(([, words = '']) => words);
  assert.equal(errors.length, 6);
  for (const words of errors) {
    // what is between the times and the host
    for (const part of words.split(/^… |\d+ (?:s|min)/).filter((one) => one.length > 2)) assert.ok(code.includes(part), part);
  }
});

describe('routing: what an answer, the log and /ready show', () => {
  let upstream: Upstream;
  let server: LiveServer;
  before(async () => {
    upstream = await startUpstream();
    upstream.answer({}, { content: 'Paris.' });
    upstream.answer({ model: 'bad' }, { error: { message: 'Overloaded', type: 'server_error' }, status: 503 });
    server = await startRouted({
      providers: { one: providerAt(upstream.url), two: providerAt(upstream.url) },
      routes: { smart: { targets: ['one/bad', 'two/good'] } },
    });
  });
  after(async () => {
    await server.close();
    await upstream.close();
  });

  test('is what is shown here', async () => {
    const [log, ready] = blocksOf('json').map((code) => JSON.parse(code) as Record<string, unknown>);
    const response = await server.post({ model: 'smart', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
    assert.match(await response.text(), /Paris/);
    assert.equal(response.headers.get('x-parlance-provider'), 'two');
    assert.equal(response.headers.get('x-parlance-attempts'), '2');
    const line = await server.logged(({ msg, model }) => msg === 'request' && model === 'smart');
    const keysOf = (attempts: unknown): unknown => (attempts as object[]).map((attempt) => Object.keys(attempt));
    assert.deepEqual(keysOf(line['attempts']), keysOf(log?.['attempts']));
    assert.equal(line['provider'], 'two');
    const body = (await (await fetch(`${server.url}/ready`)).json()) as Record<string, unknown>;
    assert.deepEqual(Object.keys(body).toSorted(), Object.keys(ready ?? {}).toSorted());
    assert.deepEqual(Object.keys(body['targets'] as object), ['one/bad', 'two/good']);
    const [target] = Object.values(ready?.['targets'] as Record<string, object>);
    const all = Object.keys(createHealthBook({ settings: DEFAULT_BREAKER, now: () => 0 }).of('nobody'));
    assert.deepEqual(Object.keys(target ?? {}).toSorted(), all.toSorted());
  });
});
