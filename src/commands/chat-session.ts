/** A conversation in the terminal: what is typed, what is answered, and the commands between. */
import { nearest } from '../core/nearest.ts';
import { answer } from './chat-answer.ts';
import { findModel, listModels, type Api, type ApiModel, type ChatOptions, type ChatTurn } from './chat-client.ts';
import { openKeyboard, type Keyboard } from './chat-input.ts';
import { EXIT, messageOf, printable, styleFor, tableText, writeError, writeLine, type Io } from './output.ts';

export interface Settings {
  readonly model: ApiModel;
  readonly system?: string | undefined;
  /** For a model; undefined is the server's default. */
  readonly temperature: (model: ApiModel) => number | undefined;
  readonly maxTokens?: number | undefined;
}

/** What is asked, in the settings' way. */
export function optionsOf({ model, system, temperature, maxTokens }: Settings, turns: readonly ChatTurn[]): ChatOptions {
  const head: readonly ChatTurn[] = system === undefined ? [] : [{ role: 'system', content: system }];
  return { model: model.id, temperature: temperature(model), maxTokens, messages: [...head, ...turns] };
}

interface Session {
  readonly io: Io;
  readonly api: Api;
  readonly keyboard: Keyboard;
  settings: Settings;
  turns: ChatTurn[];
}

interface SlashCommand {
  readonly takes: string;
  readonly about: string;
  /** True where the conversation is over. */
  readonly run: (session: Session, argument: string) => Promise<boolean> | boolean;
}

const SLASH: Readonly<Record<string, SlashCommand>> = {
  help: { takes: '', about: 'show this', run: help },
  clear: { takes: '', about: 'forget the conversation; the system message stays', run: clear },
  model: { takes: '[ID]', about: 'list the models, or go on with another', run: model },
  system: { takes: '[TEXT]', about: 'show or set the system message; /system - takes it away', run: system },
  exit: { takes: '', about: 'end (or Ctrl-D)', run: () => true },
};

const NOTES = [
  'Ctrl-C stops an answer; at an empty prompt, twice, it ends the conversation.',
  'A backslash at the end of a line, or """ before and after, makes a message of several lines.',
  'A message that begins with a slash is written with two: //etc/hosts',
];

/** Runs until the person ends it. The exit code is 0 however that was done. */
export async function converse(io: Io, api: Api, settings: Settings): Promise<number> {
  const keyboard = openKeyboard(io);
  const session: Session = { io, api, keyboard, settings, turns: [] };
  const style = styleFor(io, 'stdout');
  writeLine(io.stdout, style.dim(`${printable(settings.model.id)}; /help shows what can be done, Ctrl-D ends.`));
  let interrupts = 0;
  try {
    for (;;) {
      const typed = await keyboard.read(style.bold('> '));
      if (typed.type === 'end') {
        writeLine(io.stdout);
        return EXIT.ok;
      }
      if (typed.type === 'interrupt') {
        interrupts += 1;
        if (interrupts > 1) return EXIT.ok;
        writeLine(io.stdout, style.dim('Ctrl-C again, or Ctrl-D, ends the conversation.'));
        continue;
      }
      interrupts = 0;
      if (typed.text === '') continue;
      if (await take(session, typed.text)) return EXIT.ok;
    }
  } finally {
    keyboard.close();
  }
}

/** True where the conversation is over. */
async function take(session: Session, text: string): Promise<boolean> {
  const [, name, argument = ''] = /^\/(?!\/)(\S*)\s*([^]*)$/.exec(text) ?? [];
  if (name === undefined) {
    await say(session, text.replace(/^\/\//, '/'));
    return false;
  }
  const command = Object.hasOwn(SLASH, name) ? SLASH[name] : undefined;
  if (!command) {
    const near = nearest(name, Object.keys(SLASH));
    writeError(session.io, `there is no /${name}${near === undefined ? '; /help shows what there is' : `, did you mean /${near}?`}`);
    return false;
  }
  try {
    return await command.run(session, argument.trim());
  } catch (cause) {
    writeError(session.io, messageOf(cause));
    return false;
  }
}

async function say(session: Session, text: string): Promise<void> {
  const { io, api, keyboard, settings, turns } = session;
  const style = styleFor(io, 'stdout');
  const stop = new AbortController();
  const release = keyboard.whileBusy(() => stop.abort());
  const user: ChatTurn = { role: 'user', content: text };
  let wrote = false;
  try {
    const given = await answer({
      io,
      api,
      options: optionsOf(settings, [...turns, user]),
      signal: stop.signal,
      showReasoning: true,
      write(part) {
        wrote = true;
        // reasoning brings its own colours; the text is the model's, and is not trusted with the terminal
        io.stdout.write(part.startsWith('\u001b[2m') && part.endsWith('\u001b[22m') ? part : printable(part));
      },
    });
    const notes = [
      ...(given.finish === 'length' ? ['the longest answer allowed ended here'] : []),
      ...(stop.signal.aborted ? ['stopped'] : []),
    ];
    writeLine(io.stdout, notes.length > 0 ? style.dim(`${wrote ? '\n' : ''}(${notes.join(', ')})`) : '');
    // an answer that was stopped is still what was said; a question without any was not
    if (given.text !== '') session.turns = [...turns, user, { role: 'assistant', content: given.text }];
  } catch (cause) {
    if (wrote) writeLine(io.stdout);
    writeError(io, messageOf(cause));
  } finally {
    release();
  }
}

function help({ io }: Session): boolean {
  const rows = Object.entries(SLASH).map(([name, { takes, about }]) => [`/${name} ${takes}`, about]);
  writeLine(io.stdout, `${tableText(rows)}\n\n${NOTES.join('\n')}`);
  return false;
}

function clear(session: Session): boolean {
  session.turns = [];
  writeLine(session.io.stdout, styleFor(session.io, 'stdout').dim('Forgotten.'));
  return false;
}

async function model(session: Session, id: string): Promise<boolean> {
  const { io, api, settings } = session;
  const models = await listModels(api, AbortSignal.timeout(10_000));
  if (id === '') {
    writeLine(io.stdout, models.map((one) => `${one.id === settings.model.id ? '*' : ' '} ${printable(one.id)}`).join('\n'));
    return false;
  }
  session.settings = { ...settings, model: await resolveModel(id, models, api) };
  writeLine(io.stdout, styleFor(io, 'stdout').dim(`Now ${printable(session.settings.model.id)}; the conversation goes on.`));
  return false;
}

function system(session: Session, text: string): boolean {
  const { io, settings } = session;
  if (text !== '') session.settings = { ...settings, system: text === '-' ? undefined : text };
  const now = session.settings.system;
  writeLine(io.stdout, styleFor(io, 'stdout').dim(now === undefined ? 'No system message.' : `System: ${printable(now)}`));
  return false;
}

/**
 * The model of this id, or the only one whose id contains it, or one that is in no list and that the server knows all the same:
 * a deployment, an alias. Throws with the nearest id.
 */
export async function resolveModel(wanted: string, models: readonly ApiModel[], api: Api): Promise<ApiModel> {
  const exact = models.find(({ id }) => id === wanted);
  if (exact) return exact;
  const part = models.filter(({ id }) => id.toLowerCase().includes(wanted.toLowerCase()));
  const found = part.length > 0 ? part : [await findModel(api, wanted, AbortSignal.timeout(10_000))];
  if (found.length === 1 && found[0] !== undefined) return found[0];
  const ids = models.map(({ id }) => id);
  const near = nearest(wanted, ids);
  const several = part.map(({ id }) => id).join(', ');
  const hint =
    part.length > 1 ? `; there are ${several}` : near === undefined ? `; there are ${ids.join(', ')}` : `, did you mean ${near}?`;
  throw new Error(`there is no model ${JSON.stringify(wanted)}${ids.length === 0 ? ', nor any other' : hint}`);
}
