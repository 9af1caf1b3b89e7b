/** What the pages show works: settings load, requests are accepted, addresses exist, tables are those of the code. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config.ts';
import type { Config } from '../../src/config/settings.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { CATALOG } from '../../src/providers/catalog.ts';
import { openapiDocument } from '../../src/server/openapi.ts';
import { startLiveServer } from '../support/live-server.ts';
import type { LiveServer } from '../support/live-server.ts';
import { startUpstream } from '../support/upstream.ts';
import type { Upstream } from '../support/upstream.ts';
import { QUIRKS, fieldsOf, quirkSource, withMadeParts } from './provider-table.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (page: string): string => readFileSync(join(root, page), 'utf8');
const PAGES = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((page) => page.endsWith('.md'));

/** The code blocks of a page in a language, and the line that each begins at. */
function blocks(page: string, language: string): { readonly code: string; readonly line: number }[] {
  const text = read(page);
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map((match) => {
    return { code: match[1] ?? '', line: text.slice(0, match.index).split('\n').length + 1 };
  });
}

const folder = mkdtempSync(join(tmpdir(), 'parlance-docs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** As the server reads it, with every variable set that the text names. */
function load(yaml: string, env: Readonly<Record<string, string>> = {}): Config {
  const file = join(folder, 'parlance.yaml');
  writeFileSync(file, yaml);
  const named = [...yaml.matchAll(/env:([A-Z_]+)/g)].map(([, name = '']) => [name, `value-of-${name}`]);
  return loadConfig({ file, env: { ...Object.fromEntries(named), ...env }, flags: {} });
}

describe('docs: every configuration that is shown loads', () => {
  for (const page of ['docs/providers.md', 'docs/configuration.md', 'docs/routing.md']) {
    for (const { code, line } of blocks(page, 'yaml')) test(`${page}:${line}`, () => void load(code));
  }
});

describe('docs: settings in commands are settings, and keys are keys of the catalog', () => {
  const keys = new Set(CATALOG.flatMap((row) => row.keyEnv));
  for (const page of PAGES) {
    for (const { code, line } of blocks(page, 'sh')) {
      const given = [...code.matchAll(/^((?:[A-Z_]+=(?:'[^']*'|\$\([^)]*\)|\S+) )+)npm start/gm)].flatMap(([, all = '']) => [
        ...all.matchAll(/([A-Z_]+)=('[^']*'|\$\([^)]*\)|\S+)/g),
      ]);
      if (given.length === 0) continue;
      test(`${page}:${line}`, () => {
        const env = Object.fromEntries(
          given.map(([, name = '', value = '']) => [name, value.startsWith('$') ? 'made-by-a-command' : value.replace(/^'|'$/g, '')]),
        );
        for (const name of Object.keys(env)) assert.ok(name.startsWith('PARLANCE_') || keys.has(name), name);
        load('', env);
      });
    }
  }
});

test('docs: what is shown of providers comes out as it says', () => {
  const all = blocks('docs/providers.md', 'yaml').map(({ code }) => load(code));
  const urlOf = (id: string): readonly string[] =>
    all.flatMap(({ providers }) => providers.filter((one) => one.id === id)).map((one) => one.baseUrl);
  assert.deepEqual(urlOf('azure'), ['https://my-resource.openai.azure.com/openai/v1', 'https://my-resource.openai.azure.com/openai']);
  assert.ok(
    urlOf('vertex').every(
      (url) => url.endsWith('/v1beta1/projects/my-project/locations/europe-west4') || url.endsWith('/locations/global'),
    ),
  );
  assert.deepEqual(urlOf('bedrock'), ['https://bedrock-runtime.eu-central-1.amazonaws.com']);
  assert.deepEqual(urlOf('parlance'), ['http://other-machine:11435/v1']);
  assert.deepEqual(urlOf('groq'), []);
});

describe('docs: addresses that curl is told exist', () => {
  const paths = Object.keys(openapiDocument({ version: '0' })['paths'] as object);
  for (const page of PAGES) {
    for (const { code, line } of blocks(page, 'sh')) {
      const urls = [...code.matchAll(/curl [^\n]*?(https?:\/\/localhost:\d+)(\/[^\s'\\]*)/g)].map(([, , path = '']) => path);
      if (urls.length > 0) test(`${page}:${line}`, () => urls.forEach((path) => assert.ok(paths.includes(path), path)));
    }
  }
});

describe('docs: requests to providers are answered as they are written', () => {
  let upstream: Upstream;
  let server: LiveServer;
  before(async () => {
    upstream = await startUpstream();
    upstream.answer({}, { content: 'Paris.' });
    const at = { key: 'sk-0123456789', baseUrl: `${upstream.url}/v1` };
    server = await startLiveServer({
      PARLANCE_PROVIDERS: JSON.stringify({ openai: at, anthropic: at }),
      PARLANCE_MODELS_BUILT_IN: 'false',
    });
  });
  after(async () => {
    await server.close();
    await upstream.close();
  });

  for (const page of ['README.md', 'docs/providers.md']) {
    for (const { code, line } of blocks(page, 'sh').filter((block) => /"model": "\w+\//.test(block.code))) {
      test(`${page}:${line}`, async () => {
        const { stdout } = await run('sh', ['-c', code.replaceAll('http://localhost:11435', server.url)]);
        const answer = JSON.parse(stdout) as { model: string; choices?: { message: { content: string } }[] };
        assert.equal(answer.choices?.[0]?.message.content, 'Paris.', stdout);
        assert.ok(code.includes(`"model": "${answer.model}"`));
      });
    }
  }
});

test('docs: the messages that docs/api.md shows are accepted', () => {
  const shown = blocks('docs/api.md', 'json').map(({ code }) => JSON.parse(code) as { role?: string; tool_calls?: { id: string }[] });
  const messages = shown.filter(({ role }) => role !== undefined);
  assert.ok(messages.length >= 2);
  for (const message of messages) {
    const results = (message.tool_calls ?? []).map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'sun' }));
    const { messages: parsed } = parseChatRequest(
      { model: 'm', messages: [{ role: 'user', content: 'Hi' }, message, ...results] },
      { strict: true },
    );
    const states = parsed.flatMap(({ blocks: made }) => made.flatMap((block) => ('state' in block ? (block.state?.owner ?? []) : [])));
    assert.equal(states.length > 0, 'provider_state' in message);
  }
});

describe('docs: docs/api.md names every field', () => {
  const page = read('docs/api.md');
  const { schemas } = openapiDocument({ version: '0' })['components'] as { schemas: Record<string, { properties: object }> };
  for (const name of ['ChatCompletionRequest', 'AnswerMessage', 'Usage', 'Model']) {
    test(`of ${name}`, () => {
      const fields = Object.keys(schemas[name]?.properties ?? {});
      assert.ok(fields.length > 3);
      assert.deepEqual(
        fields.filter((field) => !new RegExp(`[\`."]${field}[\`."]`).test(page)),
        [],
      );
    });
  }
});

describe('docs: links lead somewhere', () => {
  const anchorsOf = (text: string): readonly string[] =>
    [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    );
  for (const page of PAGES) {
    test(page, () => {
      for (const [, link = ''] of read(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
        assert.ok(existsSync(target), link);
        if (anchor !== undefined) assert.ok(anchorsOf(readFileSync(target, 'utf8')).includes(anchor), link);
      }
    });
  }
});

test('docs: the tables in docs/providers.md are those of the code (node scripts/features.mjs writes them)', () => {
  const page = read('docs/providers.md');
  assert.equal(page, withMadeParts(page));
});

test('docs: every quirk there is has a line that says what it does', () => {
  for (const { file, type } of Object.values(QUIRKS).flat()) {
    const source = quirkSource(file);
    const body = source.slice(source.indexOf(`export interface ${type} {`));
    const declared = [...body.slice(0, body.indexOf('\n}')).matchAll(/^ {2}readonly (\w+)/gm)].map(([, name]) => name);
    const told = fieldsOf(source, type);
    assert.deepEqual(
      told.map(({ name }) => name),
      declared,
      type,
    );
    assert.ok(told.length > 0);
    if (type.endsWith('Quirks')) for (const { name, text } of told) assert.ok(text.length > 10, `${type}.${name}`);
  }
});

test('docs: quirks of every wire are told', () => {
  const wires = new Set(CATALOG.flatMap((row) => [row.speaks.wire, ...(row.rules ?? []).flatMap((rule) => rule.speaks?.wire ?? [])]));
  assert.deepEqual(Object.keys(QUIRKS).toSorted(), [...wires].toSorted());
});

test('docs: the number of providers is that of the catalog', () => {
  for (const page of ['README.md', 'CHANGELOG.md']) assert.ok(read(page).includes(`${CATALOG.length} `), page);
});
