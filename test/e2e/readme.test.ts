/** What the README tells a newcomer to type works as it is written. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = await readFile(`${root}README.md`, 'utf8');

let server: LiveServer;
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'parlance-readme-'));
  server = await startLiveServer({ PARLANCE_DATA_DIR: dir });
});
after(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

/** The README's code blocks of a language, with this test's server in place of the usual one. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) =>
    (code ?? '').replaceAll('http://localhost:11435', server.url),
  );
}

test('readme: the first request is answered by the built-in model', async () => {
  const request = blocks('sh').find((code) => code.startsWith('curl '));
  const { stdout } = await run('sh', ['-c', request ?? 'false']);
  const answer = JSON.parse(stdout) as { object: string; choices: { message: { content: string } }[] };
  assert.equal(answer.object, 'chat.completion');
  assert.ok((answer.choices[0]?.message.content.length ?? 0) > 0);
});

test('readme: the SDK example streams an answer', async () => {
  const [program = ''] = blocks('js');
  assert.match(program, /from 'openai'/);
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { cwd: root });
  assert.ok(stdout.trim().length > 0);
});

test('readme: the key that it makes has the limits and the budget that it speaks of, and what is left of them', async () => {
  const commands = blocks('sh').find((code) => code.startsWith('KEY=')) ?? 'false';
  const { stdout } = await run('sh', ['-c', commands], { cwd: root, env: { ...process.env, PARLANCE_DATA_DIR: dir } });
  const { key } = JSON.parse(stdout) as { key: { name: string; limits: object[]; budgets: object[] } };
  assert.equal(key.name, 'ci');
  assert.deepEqual(key.limits, [{ of: 'requests', per: 'minute', limit: 60, remaining: 60, resets_in_ms: 0 }]);
  assert.deepEqual(
    key.budgets.map((budget) => ({ ...budget, resets_at: 0 })),
    [{ period: 'month', usd: '25.00', spent_usd: '0.00', held_usd: '0.00', remaining_usd: '25.00', resets_at: 0 }],
  );
});

test('readme: every page that it links to is there', async () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path ?? '');
  assert.ok(links.length > 5);
  for (const link of links) await access(`${root}${link}`);
});
