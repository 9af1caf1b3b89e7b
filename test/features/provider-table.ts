/** The parts of docs/providers.md that are made from the code: the table of providers, and what each quirk does. */
import { readFileSync } from 'node:fs';
import { CATALOG } from '../../src/providers/catalog.ts';
import { fillIn, placeholders } from '../../src/providers/catalog/variables.ts';
import type { ProviderRow, Variable } from '../../src/providers/row.ts';

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Every row of the catalog: its id, name, key, protocol, and what else can or must be set. */
export function providersTable(): string {
  const rows = CATALOG.map((row) => [code(row.id), `[${row.name}](${row.docs})`, keyOf(row), protocolsOf(row), settingsOf(row)]);
  return table(['id', 'provider', 'environment variable of its key', 'protocol', 'what else is set'], rows);
}

const listed = (names: readonly string[]): string => names.map(code).join(', ');

function keyOf({ keyEnv, auth }: ProviderRow): string {
  if (auth.scheme === 'google') return 'none: Google Cloud credentials';
  if (auth.scheme === 'aws') return `${listed(keyEnv)}, or AWS credentials`;
  if (!auth.optional) return listed(keyEnv);
  return keyEnv.length === 0 ? 'none' : `${listed(keyEnv)}, if it wants one`;
}

/** The row's own first, then those of some of its models. */
function protocolsOf({ speaks, rules = [] }: ProviderRow): string {
  const all = [speaks.wire, ...rules.flatMap((rule) => rule.speaks?.wire ?? [])];
  return [...new Set<string>(all)].map(code).join(', ');
}

function settingsOf(row: ProviderRow): string {
  const { variables = {}, baseUrl, baseUrlEnv = [], listing, rules = [] } = row;
  const urls = [baseUrl, listing?.path ?? '', ...rules.map((rule) => rule.baseUrl ?? '')].join(' ');
  const filled = fillIn(urls, variables, { given: {}, env: {} });
  const missing = new Set(filled.ok ? [] : filled.missing);
  const parts = Object.entries(variables).map(
    ([name, variable]) => `${code(name)}${named(variable.env)}, ${need(name, variable, missing)}`,
  );
  const fixed = placeholders(baseUrl).length === 0;
  if (row.local && fixed) parts.push(`\`baseUrl\`${named(baseUrlEnv)}, else ${code(baseUrl)}`);
  return parts.join('; ');
}

const named = (env: readonly string[]): string => (env.length === 0 ? '' : ` (${listed(env)})`);

function need(name: string, { default: fallback = '', by }: Variable, missing: ReadonlySet<string>): string {
  if (missing.has(name)) return '**needed**';
  if (by !== undefined) return `else by ${code(by)}`;
  const needed = placeholders(fallback).filter((inner) => missing.has(inner));
  return needed.length > 0 ? `in place of ${listed(needed)}` : `else ${code(fallback)}`;
}

/** A field of a quirks interface, as its source has it. */
export interface QuirkField {
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

interface QuirkTable {
  /** Empty for the quirks themselves; else the field that holds one of these. */
  readonly of?: string;
  readonly file: string;
  readonly type: string;
}

/** The interfaces behind `quirks`, by wire, with those that their fields are made of. */
export const QUIRKS: Readonly<Record<string, readonly QuirkTable[]>> = {
  'openai-chat': [{ file: 'openai-chat/quirks.ts', type: 'OpenAIChatQuirks' }],
  'openai-responses': [{ file: 'openai-responses/quirks.ts', type: 'OpenAIResponsesQuirks' }],
  'anthropic-messages': [
    { file: 'anthropic-messages/quirks.ts', type: 'AnthropicQuirks' },
    { file: 'anthropic-messages/models.ts', type: 'ModelRules', of: 'models' },
  ],
  gemini: [{ file: 'gemini/quirks.ts', type: 'GeminiQuirks' }],
  'bedrock-converse': [
    { file: 'bedrock-converse/quirks.ts', type: 'BedrockQuirks' },
    { file: 'bedrock-converse/quirks.ts', type: 'ReasoningQuirk', of: 'reasoning' },
  ],
  'cohere-chat': [{ file: 'cohere-chat/quirks.ts', type: 'CohereChatQuirks' }],
};

export function quirkSource(file: string): string {
  return readFileSync(new URL(`../../src/protocols/${file}`, import.meta.url), 'utf8');
}

/**
 * The fields of an exported interface, each with its docstring. It relies on the formatting that `npm run check` demands:
 * fields stand at two spaces, what belongs to them deeper.
 */
export function fieldsOf(source: string, name: string): readonly QuirkField[] {
  const body = new RegExp(`^export interface ${name} \\{\\n(.*?)^\\}`, 'ms').exec(source)?.[1];
  if (body === undefined) throw new Error(`there is no interface ${name}`);
  const fields: QuirkField[] = [];
  let comment: string[] = [];
  let open: string[] = [];
  for (const line of body.split('\n')) {
    if (open.length > 0 || /^ {2}readonly /.test(line)) {
      open.push(line);
      if (!line.startsWith('  readonly ') && !line.startsWith('  }')) continue;
      if (!line.endsWith(';')) continue;
      fields.push(fieldFrom(open.join('\n'), comment));
      [comment, open] = [[], []];
    } else if (/^ {2} ?(\/\*\*|\*)/.test(line)) comment.push(line);
  }
  return fields;
}

function fieldFrom(declared: string, comment: readonly string[]): QuirkField {
  const [, name = '', type = ''] = /^ {2}readonly (\w+)\??: (.*);$/s.exec(declared) ?? [];
  const inner = [...type.matchAll(/\/\*\* (.*?) \*\/\s+readonly (\w+)/gs)].map(([, text = '', field = '']) => `${code(field)}: ${text}`);
  return { name, type: valueText(type), text: [commentText(comment), ...inner].join(' ') };
}

/** What may be written for a field, from its type. */
function valueText(declared: string): string {
  const type = declared
    .replaceAll(/\/\*\*.*?\*\//gs, ' ')
    .replaceAll('readonly ', '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  if (type === 'boolean') return '`true` or `false`';
  if (type === 'string') return 'a text';
  if (type === 'number') return 'a number';
  if (type.endsWith('[]')) return [...type.matchAll(/'(\w+)'/g)].length > 0 ? `a list of ${choices(type)}` : 'a list';
  if (type.startsWith('{')) return code(type.replaceAll(/;? \}/g, ' }').replaceAll('boolean', 'true'));
  const words = type.split(' | ');
  const plain = words.every((word) => /^('.*'|true|false|string)$/.test(word));
  return plain ? choices(type) : 'an object';
}

function choices(type: string): string {
  const words = [...type.matchAll(/'(\w+)'|\b(true|false)\b|\b(string)\b/g)];
  return words.map(([, quoted, fixed]) => ((quoted ?? fixed) ? code(quoted ?? fixed ?? '') : 'a text')).join(', ');
}

/** A docstring in one line; the items of a list in it stand on lines of their own. */
function commentText(comment: readonly string[]): string {
  const lines = comment.map((line) => line.replace(/^\s*(\/\*\*|\*\/|\*) ?/, '').replace(/\s*\*\/$/, '')).filter((line) => line !== '');
  let listing = false;
  return lines
    .map((line) => {
      const item = line.startsWith('- ');
      const breaks = item || (listing && !line.startsWith(' '));
      listing = item || (listing && !breaks);
      return `${breaks ? '<br>' : ''}${line.replace(/^- /, '• ').trim()}`;
    })
    .join(' ')
    .replace(/^<br>/, '')
    .replaceAll('|', '\\|');
}

/** Every field of every wire's quirks, in a table for each. */
export function quirkTables(): string {
  return Object.entries(QUIRKS)
    .flatMap(([wire, tables]) => [
      `### ${code(wire)}`,
      ...tables.flatMap(({ file, type, of }) => {
        const rows = fieldsOf(quirkSource(file), type).map(({ name, type: value, text }) => {
          return [code(name), value, text || 'As the quirk of this name above.'];
        });
        return [...(of === undefined ? [] : [`Within ${code(of)}:`]), table(['quirk', 'value', 'what it does'], rows)];
      }),
    ])
    .join('\n\n');
}

/** What stands between which marks of docs/providers.md. */
export const MADE_PARTS: Readonly<Record<string, () => string>> = { providers: providersTable, quirks: quirkTables };

/** The page with its made parts as they are now. Throws where a mark is missing. */
export function withMadeParts(page: string): string {
  return Object.entries(MADE_PARTS).reduce((text, [name, make]) => {
    const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [before = '', rest] = text.split(start);
    const after = rest?.split(end)[1];
    if (after === undefined) throw new Error(`docs/providers.md has no ${start} … ${end}`);
    return `${before}${start}\n\n${make()}\n\n${end}${after}`;
  }, page);
}
