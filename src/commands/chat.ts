/** `parlance chat`: a conversation with a model, on a server that runs or on one of its own. */
import { startServer, type RunningServer } from '../compose-root.ts';
import { loadConfig } from '../config.ts';
import type { Config } from '../config/settings.ts';
import { createLogger } from '../telemetry/log.ts';
import { atMostOne, readArgs, UsageError, type Args } from './args.ts';
import { localUrl } from './chat-address.ts';
import { answer } from './chat-answer.ts';
import { listModels, whoAnswers, type Api, type ApiModel } from './chat-client.ts';
import { converse, optionsOf, resolveModel, type Settings } from './chat-session.ts';
import { CHAT } from './help-pages.ts';
import { EXIT, printable, programVersion, writeJson, writeLine, type Io } from './output.ts';

/** Of what is piped in. */
const MAX_INPUT = 32 * 1024 * 1024;

/** The API's own default of 1 makes small models ramble. Providers and other servers keep theirs: some models take no other. */
const TEMPERATURE = 0.7;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const args = readArgs(CHAT, argv);
  const wanted = atMostOne(args, 'model');
  const url = args.text('url');
  const base = url === undefined ? undefined : baseOf(url);
  const temperature = args.number('temperature', { min: 0, max: 2 });
  const sampling = {
    system: args.text('system'),
    temperature: ({ provider }: ApiModel) => temperature ?? (base === undefined && provider === undefined ? TEMPERATURE : undefined),
    maxTokens: args.number('max-tokens', { min: 1, integer: true }),
  };
  // fetch would refuse it as well, and quote it
  if (!/^[\x21-\x7e]*$/.test(args.text('key') ?? '')) throw new UsageError('--key must be printable ASCII characters without spaces');
  if (args.has('json') && io.isTerminal.stdin)
    throw new UsageError('--json needs the question from a pipe: echo hi | parlance chat --json');
  const config = loadConfig({ file: args.text('config'), env: io.env, flags: { 'models-dir': args.text('models-dir') } });
  const question = io.isTerminal.stdin ? undefined : await readAll(io.stdin);
  if (question?.trim() === '') throw new UsageError('the question from the pipe is empty');
  const { api, server } = await reach({ base, args, config, io });
  try {
    const models = await listModels(api, AbortSignal.timeout(10_000));
    const model = wanted === undefined ? models[0] : await resolveModel(wanted, models, api);
    if (model === undefined)
      throw new Error(`there are no models; parlance models pull hf:USER/REPO downloads one into ${config.models.dir}`);
    const settings: Settings = { ...sampling, model };
    if (question === undefined) return await converse(io, api, settings);
    return await answerOnce({ io, api, settings, question, json: args.has('json') });
  } finally {
    await server?.close();
  }
}

/** The server's address without `/v1`, as people copy it with. */
function baseOf(text: string): string {
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${text}`);
  if (!url) throw new UsageError(`--url must be an address such as http://127.0.0.1:11435, not ${JSON.stringify(text)}`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '');
}

interface Reach {
  readonly base: string | undefined;
  readonly args: Args;
  readonly config: Config;
  readonly io: Io;
}

/** The named server; else the one at the configured address; else one of our own, for this machine and this conversation. */
async function reach({ base, args, config, io }: Reach): Promise<{ readonly api: Api; readonly server?: RunningServer }> {
  if (base !== undefined) return { api: { url: base, key: args.text('key') } };
  const url = localUrl(config);
  // a models folder of one's own is a wish that a running server would not know of
  const own = args.has('models-dir') || config.server.port === 0;
  if (!own && (await whoAnswers(url)).who === 'parlance') return { api: { url, key: args.text('key') ?? keyFrom(io.env) } };
  const server = await startServer({
    // without a key, and so for no page of the web; what is said here is recorded nowhere
    config: { ...config, keys: [], server: { ...config.server, host: '127.0.0.1', port: 0, requireKey: false, corsOrigins: [] } },
    version: programVersion(),
    log: createLogger({ level: 'silent', format: 'json' }),
  });
  return { api: { url: server.url }, server };
}

/** The first key that our own server is given in this environment, where it stands there as it is. */
function keyFrom(env: Io['env']): string | undefined {
  const keys = (env['PARLANCE_API_KEYS'] ?? env['PARLANCE_KEYS'] ?? '').split(',').map((key) => key.trim());
  return keys.find((key) => key !== '' && !key.startsWith('sha256:') && !key.startsWith('env:'));
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MAX_INPUT) throw new Error('the question from the pipe is longer than 32 MiB');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

interface Once {
  readonly io: Io;
  readonly api: Api;
  readonly settings: Settings;
  readonly question: string;
  readonly json: boolean;
}

async function answerOnce({ io, api, settings, question, json }: Once): Promise<number> {
  const stop = new AbortController();
  const release = io.onInterrupt(() => stop.abort());
  let last = '\n';
  try {
    const given = await answer({
      io,
      api,
      options: optionsOf(settings, [{ role: 'user', content: question }]),
      signal: stop.signal,
      showReasoning: false,
      write(text) {
        if (json) return;
        last = text;
        io.stdout.write(io.isTerminal.stdout ? printable(text) : text);
      },
    });
    if (!last.endsWith('\n')) writeLine(io.stdout);
    if (stop.signal.aborted) return EXIT.interrupted;
    if (json) {
      writeJson(io, {
        model: settings.model.id,
        content: given.text,
        ...(given.reasoning === '' ? {} : { reasoning: given.reasoning }),
        finish_reason: given.finish ?? null,
        usage: given.usage ?? null,
      });
    }
    return EXIT.ok;
  } catch (cause) {
    if (!last.endsWith('\n')) writeLine(io.stdout);
    throw cause;
  } finally {
    release();
  }
}
