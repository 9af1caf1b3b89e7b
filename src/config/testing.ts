/** For tests: configurations out of a file. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '../config.ts';
import type { ConfigSources } from '../config.ts';
import type { Config } from './settings.ts';

/** A folder with a `parlance.yaml` of this text, gone at the end of its block. */
export function configFolder(text: string) {
  const path = mkdtempSync(join(tmpdir(), 'parlance-config-'));
  const file = join(path, 'parlance.yaml');
  writeFileSync(file, text);
  return { path, file, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Throws a `ConfigError`, as the program would. */
export function load(text: string, env: ConfigSources['env'] = {}, flags: ConfigSources['flags'] = {}): Config {
  using folder = configFolder(text);
  return loadConfig({ file: folder.file, env, flags });
}

/** What is wrong, with the folder's name taken off. */
export function problems(text: string, env: ConfigSources['env'] = {}, flags: ConfigSources['flags'] = {}): readonly string[] {
  try {
    load(text, env, flags);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map((problem) => problem.replace(/^.*(?=parlance\.yaml:)/, ''));
  }
  return [];
}
