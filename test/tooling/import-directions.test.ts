import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A file, what it imports, and whether the direction allows it. */
const cases: readonly (readonly [file: string, specifier: string, allowed: boolean])[] = [
  ['src/core/a.ts', './chat.ts', true],
  ['src/core/a.ts', '../protocols/openai-chat/schema.ts', false],
  ['src/core/a.ts', '../config.ts', false],
  ['src/core/a.ts', 'node:fs', false],
  ['src/core/a.ts', 'node:crypto', true],
  ['src/protocols/openai-chat/b.ts', '../../core/chat.ts', true],
  ['src/protocols/openai-chat/b.ts', '../framing/sse.ts', true],
  ['src/protocols/openai-chat/b.ts', '../../providers/http.ts', false],
  ['src/protocols/openai-chat/b.ts', '../../gateway/ports.ts', false],
  ['src/protocols/openai-chat/b.ts', 'undici', false],
  ['src/providers/llama/c.ts', '../../protocols/openai-chat/schema.ts', true],
  ['src/providers/llama/c.ts', 'node-llama-cpp', true],
  ['src/providers/llama/c.ts', '../../gateway/router.ts', false],
  ['src/providers/llama/c.ts', '../../server/server.ts', false],
  ['src/providers/llama/c.ts', '../../config/settings.ts', false],
  ['src/providers/llama/formats/d.ts', '../../../core/chat.ts', true],
  ['src/providers/llama/formats/d.ts', '../grammar/gbnf.ts', true],
  ['src/providers/llama/formats/d.ts', './plan.ts', true],
  ['src/providers/llama/formats/d.ts', '../protocol.ts', false],
  ['src/providers/llama/formats/d.ts', '../child/native.ts', false],
  ['src/providers/llama/grammar/e.ts', '../formats/plan.ts', true],
  ['src/providers/llama/grammar/e.ts', '../../../protocols/openai-chat/schema.ts', false],
  ['src/gateway/f.ts', '../providers/llama/backend.ts', true],
  ['src/gateway/f.ts', '../server/server.ts', false],
  ['src/gateway/f.ts', '../telemetry/log.ts', false],
  ['src/gateway/f.ts', '../compose-root.ts', false],
  ['src/telemetry/g.ts', '../gateway/ports.ts', true],
  ['src/telemetry/g.ts', '../gateway/router.ts', false],
  ['src/store/h.ts', '../providers/llama/backend.ts', false],
  ['src/store/h.ts', '../gateway/store-ports.ts', true],
  ['src/store/sqlite/h.ts', '../../gateway/accounts.ts', true],
  ['src/store/h.ts', '../gateway/router.ts', false],
  ['src/server/routes/i.ts', '../../gateway/ports.ts', true],
  ['src/server/routes/i.ts', '../../store/sqlite.ts', false],
  ['src/server/routes/i.ts', '../../commands/serve.ts', false],
  ['src/server/routes/i.ts', 'node-llama-cpp', false],
  ['src/config/j.ts', '../core/error.ts', true],
  ['src/config/j.ts', '../server/server.ts', false],
  ['src/commands/k.ts', '../compose-root.ts', true],
  ['src/commands/k.ts', '../main.ts', false],
  ['src/commands/k.ts', '../workers/start.ts', true],
  ['src/gateway/f.ts', '../workers/peer.ts', false],
  ['src/server/routes/i.ts', '../../workers/peer.ts', false],
  ['src/store/h.ts', '../compose-parts.ts', false],
  ['src/workers/m.ts', '../compose-root.ts', true],
  ['src/core/l.test.ts', '../server/server.ts', true],
];

/** The ways to write an import that the rule must see. */
const forms: readonly (readonly [form: string, statement: (specifier: string) => string])[] = [
  ['import', (specifier) => `import { x } from '${specifier}';\nexport const y = x;\n`],
  ['import type', (specifier) => `import type { X } from '${specifier}';\nexport type Y = X;\n`],
  ['export from', (specifier) => `export { x } from '${specifier}';\n`],
  ['import()', (specifier) => `export const y = await import('${specifier}');\n`],
];

describe('import directions', () => {
  let folder = '';
  let refused = new Set<string>();
  const placeOf = (file: string, at: number): string => file.replace(/(\.test)?\.ts$/, `-${at}$1.ts`);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'parlance-directions-'));
    const config = JSON.parse(readFileSync(join(root, '.oxlintrc.json'), 'utf8')) as { options: object };
    write('.oxlintrc.json', JSON.stringify({ ...config, options: { ...config.options, typeAware: false } }));
    for (const [at, [file, specifier]] of cases.entries())
      write(placeOf(file, at), `import { x } from '${specifier}';\nexport const y = x;\n`);
    for (const [at, [, statement]] of forms.entries()) write(`src/core/form-${at}.ts`, statement('../server/server.ts'));
    const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint');
    const options = ['--format=json', '--allow=all', '--deny=no-restricted-imports'];
    const { stdout, stderr } = spawnSync(process.execPath, [oxlint, ...options], { cwd: folder, encoding: 'utf8' });
    assert.match(stdout, /^\{/, `${stdout}${stderr}`);
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] };
    refused = new Set(diagnostics.filter(({ code }) => code.includes('no-restricted-imports')).map(({ filename }) => filename));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  for (const [at, [file, specifier, allowed]] of cases.entries()) {
    test(`lint: ${file} ${allowed ? 'may' : 'may not'} import ${specifier}`, () => {
      assert.equal(refused.has(placeOf(file, at)), !allowed);
    });
  }
  for (const [at, [form]] of forms.entries()) {
    test(`lint: a wrong direction is seen in ${form}`, () => {
      assert.ok(refused.has(`src/core/form-${at}.ts`));
    });
  }
});
