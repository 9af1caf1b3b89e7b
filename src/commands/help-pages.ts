/** The pages of all commands: read by help, and by the commands for their arguments. */
import { CONFIG_FLAGS, SETTINGS } from '../config/schema.ts';
import type { Flag, Page } from './args.ts';

/** Switches among the flags that stand for a setting. */
const SWITCHES: ReadonlySet<string> = new Set(['strict']);

/** Flags that stand for settings, described as the settings are. */
function settingFlags(names: readonly string[]): Record<string, Flag> {
  const about = (path: string): string => SETTINGS.find((setting) => setting.path === path)?.schema.description ?? '';
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        ...(SWITCHES.has(name) ? {} : { value: name.split('-').at(-1)?.toUpperCase() ?? 'VALUE' }),
        about: about(CONFIG_FLAGS[name] ?? '').replaceAll('`', ''),
      },
    ]),
  );
}

export const SERVE: Page = {
  name: 'serve',
  summary: 'Start the server',
  usage: ['serve [flags]'],
  text: 'Serves the chat completions API at http://127.0.0.1:11435/v1 until it is stopped with Ctrl-C.\nA model is loaded when it is first asked for.',
  flags: settingFlags(Object.keys(CONFIG_FLAGS)),
  examples: [
    ['serve', 'on this machine, without a key'],
    ['serve --port 8080 --log-level debug', ''],
    ['serve --workers auto', 'a process for each core; kill -USR2 replaces them one by one'],
  ],
};

export const CHAT: Page = {
  name: 'chat',
  summary: 'Talk to a model in the terminal',
  usage: ['chat [MODEL] [flags]', 'chat [MODEL] [flags] < question.txt'],
  text: 'Uses the server that runs at the configured address; where none does, starts one for the conversation.\nWith input from a pipe it prints the answer and nothing else.',
  flags: {
    url: { value: 'URL', about: 'Talk to this server, such as http://127.0.0.1:11435, with its own default temperature' },
    key: { value: 'KEY', about: 'API key for it' },
    system: { value: 'TEXT', about: 'System message' },
    temperature: {
      value: 'N',
      about: 'From 0 to 2; the lower, the more predictable. Default: 0.7 for models of this machine, else theirs',
    },
    'max-tokens': { value: 'N', about: 'Longest answer, in tokens' },
    json: { about: 'With piped input: print the answer, its end and its usage as JSON' },
    ...settingFlags(['models-dir']),
  },
  examples: [
    ['chat', 'a conversation; /help in it shows what it knows'],
    ['echo "Name three rivers." | parlance chat', 'one answer'],
  ],
};

export const MODELS: Page = {
  name: 'models',
  summary: 'List, show, pull and remove local models',
  usage: [
    'models [list] [--all]',
    'models show ID',
    'models pull hf:USER/REPO[:QUANT]',
    'models pull hf:USER/REPO/FILE.gguf',
    'models rm ID',
  ],
  text: 'Models are the built-in one and every GGUF file below the models folder.\nA download that was interrupted continues when it is pulled again.',
  flags: {
    json: { about: 'Print JSON' },
    all: { about: 'list: with the models of providers, as GET /v1/models shows them; prices are dollars for a million tokens' },
    yes: { about: 'rm: do not ask' },
    ...settingFlags(['models-dir']),
  },
  examples: [
    ['models', 'what there is on this machine'],
    ['models --all', 'and at the configured providers'],
    ['models pull hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF', 'in Q4_K_M, or the nearest to it'],
    ['models rm bartowski/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M', ''],
  ],
};

export const KEYS: Page = {
  name: 'keys',
  summary: 'Make, list, rotate and revoke API keys',
  usage: [
    'keys [list] [--project PROJECT]',
    'keys create --name NAME [flags]',
    'keys create --admin',
    'keys rotate ID [--grace SPAN]',
    'keys revoke ID',
  ],
  text: 'Works on the database itself, whether a server runs or not; one that does knows within a second.\nA key is shown once, when it is made. docs/keys.md says more.',
  flags: {
    name: { value: 'NAME', about: 'create: what it is called' },
    project: { value: 'PROJECT', about: 'create, list: the id or the name of a project. Default: the project default; list: all' },
    owner: { value: 'OWNER', about: 'create: whose it is' },
    role: { value: 'ROLE', about: 'create: member, read-only or admin. Default: member' },
    admin: { about: 'create: the same as --role admin' },
    models: { value: 'PATTERNS', about: 'create: models that it may use, as in "openai/*,smollm2*". Default: all' },
    addresses: { value: 'RANGES', about: 'create: addresses from which it may be used, as in 192.0.2.0/24,::1. Default: any' },
    limits: {
      value: 'LIMITS',
      about: 'create: NAME=NUMBER,…; requests-per-minute, requests-per-day, tokens-per-minute, tokens-per-day, concurrent',
    },
    budget: { value: 'BUDGETS', about: 'create: dollars by day, week, month or in all, as in month=25,day=2.50' },
    expires: { value: 'WHEN', about: 'create: a span such as 90d, or a date such as 2027-01-31. Default: never' },
    grace: { value: 'SPAN', about: 'rotate: how long the former secret works on, as in 30m or 24h. Default: 0s' },
    json: { about: 'Print JSON' },
    ...settingFlags(['data-dir']),
  },
  examples: [
    ['keys create --admin', 'a key for the admin API'],
    ['keys create --name ci --models "openai/*" --budget month=25 --limits requests-per-minute=60', ''],
    ['keys rotate key_4f0c… --grace 24h', ''],
  ],
};

export const BACKUP: Page = {
  name: 'backup',
  summary: 'Copy the database while it is in use',
  usage: ['backup FILE [flags]'],
  text: 'The copy is the SQLite database as it is at one moment, in a new file for its owner only; no server has to stop.\nA Postgres database is copied with pg_dump. docs/storage.md says how to restore.',
  flags: {
    json: { about: 'Print JSON' },
    ...settingFlags(['data-dir']),
  },
  examples: [['backup parlance-2026-11-23.db', '']],
};

export const DOCTOR: Page = {
  name: 'doctor',
  summary: 'Find out what is wrong with this machine or configuration',
  usage: ['doctor [flags]'],
  text: 'Checks Node, the processor, memory, the engine, the built-in model, the configuration, the models folder, the port,\nand asks each configured provider for its models. The exit code is 1 where something must be mended.',
  flags: {
    json: { about: 'Print JSON' },
    offline: { about: 'Ask no provider' },
    ...settingFlags(['host', 'port', 'models-dir']),
  },
};

export const HELP: Page = {
  name: 'help',
  summary: 'Show help on a command',
  usage: ['help [COMMAND]'],
  flags: {},
};
