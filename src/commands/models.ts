/** `parlance models`: what models there are, more of them on this machine, fewer of them. */
import { createInterface } from 'node:readline/promises';
import { loadConfig } from '../config.ts';
import type { ModelCard } from '../core/call.ts';
import { nearest } from '../core/nearest.ts';
import type { Config } from '../config/settings.ts';
import { encodeModels } from '../protocols/openai-chat/response.ts';
import { pullModel } from '../providers/llama/download-model.ts';
import { createLibrary, removeFiles, type LocalLibrary } from '../providers/llama/library.ts';
import type { LocalModel } from '../providers/llama/model.ts';
import { readArgs, UsageError, type Args } from './args.ts';
import { MODELS } from './help-pages.ts';
import { listAll } from './models-all.ts';
import { EXIT, printable, sizeText, styleFor, tableText, writeError, writeJson, writeLine, type Io } from './output.ts';
import { progressBar } from './output-progress.ts';

interface Context {
  readonly args: Args;
  readonly io: Io;
  readonly config: Config;
  readonly library: LocalLibrary;
  /** What stands after the verb. */
  readonly subject: string;
}

const VERBS: Readonly<Record<string, { readonly subject?: string; readonly run: (context: Context) => Promise<number> }>> = {
  list: { run: list },
  show: { subject: 'the id of a model', run: show },
  pull: { subject: 'what to pull, as hf:USER/REPO', run: pull },
  rm: { subject: 'the id of a model', run: remove },
};

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const args = readArgs(MODELS, argv);
  const [name = 'list', subject, ...more] = args.positionals;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (!verb) {
    const near = nearest(name, Object.keys(VERBS));
    throw new UsageError(
      `unknown: models ${name}${near === undefined ? '; there are list, show, pull and rm' : `, did you mean models ${near}?`}`,
    );
  }
  if (verb.subject !== undefined && subject === undefined) throw new UsageError(`models ${name} needs ${verb.subject}`);
  const extra = verb.subject === undefined ? subject : more[0];
  if (extra !== undefined) throw new UsageError(`models ${name} takes no ${JSON.stringify(extra)}`);
  const config = loadConfig({ file: args.text('config'), env: io.env, flags: { 'models-dir': args.text('models-dir') } });
  const library = createLibrary({ dir: config.models.dir, builtIn: config.models.builtIn });
  return verb.run({ args, io, config, library, subject: subject ?? '' });
}

/** A model as scripts get it. */
function plain({ id, origin, path, bytes, ownedBy, sha256, gguf }: LocalModel): Record<string, unknown> {
  const { name, license, architecture, quantization, parameters, contextLength, kvBytesPerToken, chatTemplate } = gguf;
  const facts = { name, license, architecture, quantization, parameters, contextLength, kvBytesPerToken };
  return { id, origin, ownedBy, path, bytes, sha256, ...facts, hasChatTemplate: chatTemplate !== '' };
}

async function list(context: Context): Promise<number> {
  const { args, io, config, library } = context;
  if (args.has('all')) return everything(context);
  const models = await library.list();
  const problems = await library.problems();
  if (args.has('json')) {
    writeJson(io, { dir: config.models.dir, models: models.map(plain), problems });
    return EXIT.ok;
  }
  const style = styleFor(io, 'stdout');
  const rows = models.map(({ id, bytes, origin, gguf }) => [
    printable(id),
    sizeText(bytes),
    gguf.quantization ?? '-',
    gguf.contextLength > 0 ? String(gguf.contextLength) : '-',
    origin,
  ]);
  const [head = '', ...lines] = tableText([['ID', 'SIZE', 'QUANT', 'CONTEXT', 'ORIGIN'], ...rows], [1, 3]).split('\n');
  if (models.length > 0) writeLine(io.stdout, [style.bold(head), ...lines].join('\n'));
  else writeLine(io.stderr, `No models. The models folder is ${config.models.dir}; parlance models pull hf:USER/REPO downloads one.`);
  for (const { path, message } of problems) warn(io, `${path}: ${message}`);
  return EXIT.ok;
}

function warn(io: Io, message: string): void {
  writeLine(io.stderr, `${styleFor(io, 'stderr').yellow('warning:')} ${printable(message)}`);
}

/** Those of providers too, as the server would list them. */
async function everything({ args, io, config, library }: Context): Promise<number> {
  const { cards, failures } = await listAll({ config, library, env: io.env });
  const problems = await library.problems();
  if (args.has('json')) writeJson(io, { ...encodeModels(cards), failures, problems });
  else if (cards.length === 0) writeLine(io.stderr, 'No models: docs/providers.md says how to have some.');
  else {
    const rows = [['ID', 'CONTEXT', 'INPUT', 'OUTPUT', 'PROVIDER'], ...cards.map(cardRow)];
    const [head = '', ...lines] = tableText(rows, [1, 2, 3]).split('\n');
    writeLine(io.stdout, [styleFor(io, 'stdout').bold(head), ...lines].join('\n'));
  }
  if (args.has('json')) return EXIT.ok;
  for (const { provider, message } of failures) warn(io, `provider ${provider}: ${message}`);
  for (const { path, message } of problems) warn(io, `${path}: ${message}`);
  return EXIT.ok;
}

function cardRow({ id, contextWindow, pricing, provider }: ModelCard): readonly string[] {
  const dollars = (price: number | undefined): string => (price === undefined ? '-' : `$${price}`);
  return [printable(id), String(contextWindow ?? '-'), dollars(pricing?.input), dollars(pricing?.output), provider ?? 'this machine'];
}

async function found({ library, subject }: Context): Promise<LocalModel> {
  const model = await library.find(subject);
  if (model) return model;
  const ids = (await library.list()).map(({ id }) => id);
  const near = nearest(subject, ids) ?? ids.find((id) => id.toLowerCase().includes(subject.toLowerCase()));
  throw new Error(
    `there is no model ${JSON.stringify(subject)}${near === undefined ? '; parlance models lists what there is' : `, did you mean ${JSON.stringify(near)}?`}`,
  );
}

async function show(context: Context): Promise<number> {
  const { args, io } = context;
  const model = await found(context);
  if (args.has('json')) {
    writeJson(io, plain(model));
    return EXIT.ok;
  }
  const { gguf } = model;
  const rows: readonly (readonly [string, string | number | undefined])[] = [
    ['id', model.id],
    ['name', gguf.name],
    ['origin', model.origin],
    ['file', model.path],
    ['size', sizeText(model.bytes)],
    ['sha256', model.sha256],
    ['architecture', gguf.architecture],
    ['parameters', gguf.parameters?.toLocaleString('en')],
    ['quantisation', gguf.quantization],
    ['trained context', gguf.contextLength > 0 ? `${gguf.contextLength} tokens` : 'unknown'],
    ['cache per token', gguf.kvBytesPerToken > 0 ? sizeText(gguf.kvBytesPerToken) : 'unknown'],
    ['chat template', gguf.chatTemplate === '' ? 'none' : `${gguf.chatTemplate.length} characters`],
    ['licence', gguf.license],
  ];
  const known = rows.flatMap(([key, value]) => (value === undefined ? [] : [[key, printable(String(value))]]));
  writeLine(io.stdout, tableText(known));
  return EXIT.ok;
}

const LABELS = { download: 'Downloading', check: 'Checking' } as const;

async function pull({ args, io, config, subject }: Context): Promise<number> {
  const { url, token } = config.hub;
  const stop = new AbortController();
  const release = io.onInterrupt(() => stop.abort(new Error('interrupted')));
  const bar = progressBar(io);
  try {
    const pulled = await pullModel({
      reference: subject,
      hub: { url, ...(token === undefined ? {} : { token: token.reveal() }) },
      dir: config.models.dir,
      signal: stop.signal,
      onFound({ id, bytes, files }) {
        const parts = files.length === 1 ? '' : ` in ${files.length} parts`;
        writeLine(io.stderr, `${printable(id)}, ${sizeText(bytes)}${parts}`);
      },
      onProgress: ({ phase, ...progress }) => bar.update({ label: LABELS[phase], ...progress }),
    });
    bar.end();
    if (args.has('json')) writeJson(io, pulled);
    else writeLine(io.stdout, pulled.already ? `${pulled.id} is there already.` : `Pulled ${pulled.id} into ${pulled.dir}`);
    return EXIT.ok;
  } catch (cause) {
    bar.end();
    if (!stop.signal.aborted) throw cause;
    writeLine(io.stderr, `Stopped. What has come so far is kept: parlance models pull ${subject} continues there.`);
    return EXIT.interrupted;
  } finally {
    release();
  }
}

async function remove(context: Context): Promise<number> {
  const { args, io, config, library } = context;
  const model = await found(context);
  if (model.origin === 'built-in') {
    writeError(io, `${model.id} is part of Parlance and cannot be removed. models.builtIn: false in parlance.yaml hides it.`);
    return EXIT.failure;
  }
  const files = await library.files(model.id);
  if (!args.has('yes') && !(await confirmed(io, `Delete ${model.id}, ${sizeText(model.bytes)}: ${files.join(', ')}?`))) {
    writeLine(io.stderr, 'Nothing was deleted.');
    return EXIT.failure;
  }
  await removeFiles(files, config.models.dir);
  if (args.has('json')) writeJson(io, { id: model.id, bytes: model.bytes, files });
  else writeLine(io.stdout, `Deleted ${model.id}`);
  return EXIT.ok;
}

/** Asks on a terminal; where nobody can answer, `--yes` is the way. */
async function confirmed(io: Io, question: string): Promise<boolean> {
  if (!io.isTerminal.stdin) throw new UsageError('models rm asks before it deletes, and there is no terminal to ask on: say --yes');
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  try {
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const answer = await Promise.race([lines.question(`${printable(question)} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
