/** The API reference in a real browser: it renders, calls nobody but this server, and its requests are answered. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { MODEL, startLiveServer } from '../support/live-server.ts';

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const missing = !existsSync(executablePath);
const wanted = process.env['CI'] === 'true';
if (missing && !wanted)
  console.log(`The API reference is not tested: there is no Chromium at ${executablePath} (apt install chromium, or set CHROMIUM_PATH).`);

const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'].concat([
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]);
/** For a machine with other things to do. */
const PATIENCE = { timeout: 180_000 };

test('docs: the reference renders, stays on this server, and "try it" is answered by the model', { skip: missing && !wanted }, async () => {
  assert.ok(!missing, `there is no Chromium at ${executablePath}`);
  await using server = await startLiveServer();
  const profile = await mkdtemp(join(tmpdir(), 'parlance-chromium-'));
  const viewport = { width: 1400, height: 1000 };
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args: ARGS, viewport, ...PATIENCE });
  browser.setDefaultTimeout(PATIENCE.timeout);
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    const complaints: string[] = [];
    const strangers: string[] = [];
    page.on('console', (line) => {
      if (line.type() === 'error' || line.type() === 'warning') complaints.push(`${line.text()} ${line.location().url}`);
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    browser.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${server.url}/`) && !/^(data|blob|about):/.test(url)) strangers.push(url);
    });

    await page.goto(`${server.url}/docs`);
    await page.getByRole('heading', { name: 'Parlance' }).first().waitFor(PATIENCE);
    await page.getByRole('heading', { name: 'Answer a conversation' }).waitFor(PATIENCE);
    // the snippet names this server
    const snippet = page.locator('code', { hasText: `curl ${server.url}/v1/chat/completions` });
    await snippet.first().waitFor(PATIENCE);

    await page
      .getByRole('button', { name: /Test Request/ })
      .first()
      .click();
    const client = page.getByRole('dialog');
    await client.getByText(MODEL).first().waitFor(PATIENCE);
    const answered = page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/chat/completions'), PATIENCE);
    await client.getByRole('button', { name: /^Send/ }).first().click();
    const response = await answered;
    assert.equal(response.status(), 200);
    const body = (await response.json()) as { object: string; model: string };
    assert.deepEqual([body.object, body.model], ['chat.completion', MODEL]);
    // and the reader sees it
    await client.getByText('"chat.completion"').first().waitFor(PATIENCE);
    await client.getByText('Cancel', { exact: true }).waitFor({ ...PATIENCE, state: 'hidden' });

    const path = process.env['DOCS_SCREENSHOT'] ?? join(profile, 'docs.png');
    const picture = await page.screenshot({ path });
    assert.ok(picture.length > 20_000, 'an empty page makes a small picture');
    assert.deepEqual(strangers, []);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
});
