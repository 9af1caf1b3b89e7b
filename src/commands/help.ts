/** Help, written from the pages of the commands. */
import { nearest } from '../core/nearest.ts';
import { GLOBAL_FLAGS, readArgs, atMostOne, UsageError, type Flag, type Page } from './args.ts';
import { BACKUP, CHAT, DOCTOR, HELP, KEYS, MODELS, SERVE } from './help-pages.ts';
import { EXIT, programVersion, styleFor, tableText, writeLine, type Io } from './output.ts';

/** In the order in which help lists them. */
export const PAGES: readonly Page[] = [SERVE, CHAT, MODELS, KEYS, BACKUP, DOCTOR, HELP];

const FIRST_LINE = 'Parlance: one OpenAI-compatible chat completions API, with a model inside';

/** `parlance --help`. */
export function overview(io: Io): string {
  const style = styleFor(io, 'stdout');
  return [
    `${style.bold('parlance')} ${programVersion()}`,
    FIRST_LINE,
    '',
    style.bold('Usage'),
    '  parlance COMMAND [flags]',
    '',
    style.bold('Commands'),
    indented(tableText(PAGES.map(({ name, summary }) => [name, summary]))),
    '',
    style.bold('Flags'),
    indented(flagTable({ ...GLOBAL_FLAGS, version: { about: 'Show the version' } })),
    '',
    'parlance help COMMAND says more of each.',
  ].join('\n');
}

/** `parlance help COMMAND`. */
export function pageText(page: Page, io: Io): string {
  const style = styleFor(io, 'stdout');
  const flags = { ...page.flags, ...(page === HELP ? {} : GLOBAL_FLAGS) };
  const sections = [
    `${style.bold(`parlance ${page.name}`)}: ${page.summary.charAt(0).toLowerCase()}${page.summary.slice(1)}`,
    [style.bold('Usage'), ...page.usage.map((usage) => `  parlance ${usage}`)].join('\n'),
    ...(page.text === undefined ? [] : [page.text]),
    ...(Object.keys(flags).length === 0 ? [] : [`${style.bold('Flags')}\n${indented(flagTable(flags))}`]),
    ...(page.examples === undefined ? [] : [`${style.bold('Examples')}\n${indented(examples(page.examples))}`]),
  ];
  return sections.join('\n\n');
}

function flagTable(flags: Readonly<Record<string, Flag>>): string {
  return tableText(
    Object.entries(flags).map(([name, { value, about }]) => [
      `${name === 'help' ? '-h, ' : ''}--${name}${value === undefined ? '' : ` ${value}`}`,
      about,
    ]),
  );
}

function examples(list: NonNullable<Page['examples']>): string {
  return tableText(list.map(([command, about]) => [command.includes('parlance') ? command : `parlance ${command}`, about]));
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}

/** The command of that name; throws a UsageError with the nearest one. */
export function pageOf(name: string): Page {
  const page = PAGES.find((one) => one.name === name);
  if (page) return page;
  const names = PAGES.map((one) => one.name);
  const near = nearest(name, names);
  throw new UsageError(
    `unknown command ${JSON.stringify(name)}${near === undefined ? `; there are ${names.join(', ')}` : `, did you mean ${JSON.stringify(near)}?`}`,
  );
}

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const name = atMostOne(readArgs(HELP, argv), 'command');
  writeLine(io.stdout, name === undefined ? overview(io) : pageText(pageOf(name), io));
  return EXIT.ok;
}
