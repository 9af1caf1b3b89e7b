/** `parlance doctor`: what is wrong with this machine or configuration, and what to do. */
import type { ConfigSources } from '../config.ts';
import { readArgs, UsageError } from './args.ts';
import { enginePackage, probeEngine } from '../providers/llama/probe.ts';
import {
  checkBuiltIn,
  checkEngine,
  checkGpu,
  checkMemory,
  checkNode,
  checkProcessor,
  findingOf,
  type Finding,
  type Status,
} from './doctor-machine.ts';
import { checkProviders } from './doctor-providers.ts';
import { checkAccess, checkConfig, checkModels, checkPort } from './doctor-setup.ts';
import { DOCTOR } from './help-pages.ts';
import { EXIT, messageOf, printable, programVersion, styleFor, writeJson, writeLine, type Io, type Style } from './output.ts';
import { statusLine } from './output-progress.ts';

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const args = readArgs(DOCTOR, argv);
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`doctor takes flags alone, not ${JSON.stringify(extra)}`);
  const line = statusLine(io);
  line.set('Examining');
  let findings: readonly Finding[];
  try {
    const flags = Object.fromEntries(['host', 'port', 'models-dir'].map((flag) => [flag, args.text(flag)]));
    findings = await examine({ file: args.text('config'), env: io.env, flags }, args.has('offline'));
  } finally {
    line.clear();
  }
  const failed = findings.filter(({ status }) => status === 'fail').length;
  if (args.has('json')) writeJson(io, { ok: failed === 0, version: programVersion(), findings });
  else writeReport(io, findings);
  return failed === 0 ? EXIT.ok : EXIT.failure;
}

/** All findings, in an order that people can read; checks that need a valid configuration are left out without one. */
async function examine(sources: ConfigSources, offline: boolean): Promise<readonly Finding[]> {
  const { config, findings } = checkConfig(sources);
  const gpu = config?.engine.gpu ?? 'auto';
  const [probe, builtIn, memory, models, providers, port] = await Promise.all([
    probeEngine(gpu),
    checkBuiltIn(),
    config ? guarded('memory', async () => [await checkMemory(config)]) : [],
    config ? guarded('models', () => checkModels(config)) : [],
    config ? guarded('providers', () => checkProviders(config, { env: sources.env, offline })) : [],
    config ? guarded('port', async () => [await checkPort(config)]) : [],
  ]);
  const system = probe.ok ? probe.facts.system : undefined;
  return [
    checkNode(),
    checkProcessor(system),
    ...memory,
    checkEngine(probe),
    ...(probe.ok ? [checkGpu(probe, enginePackage(), gpu)] : []),
    builtIn,
    ...findings,
    ...models,
    ...providers,
    ...port,
    ...(config ? [checkAccess(config)] : []),
  ];
}

/** A check that fails itself is a finding, and hides no other. */
async function guarded(check: string, work: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await work();
  } catch (cause) {
    return [findingOf(check)('fail', `could not be checked: ${messageOf(cause)}`)];
  }
}

const MARKS: Readonly<Record<Status, (style: Style) => string>> = {
  ok: (style) => style.green('ok  '),
  warn: (style) => style.yellow('warn'),
  fail: (style) => style.red('FAIL'),
};

function writeReport(io: Io, findings: readonly Finding[]): void {
  const style = styleFor(io, 'stdout');
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, status, message, advice } of findings) {
    writeLine(io.stdout, `${MARKS[status](style)}  ${check.padEnd(width)}  ${printable(message)}`);
    if (advice !== undefined) writeLine(io.stdout, `${' '.repeat(width + 8)}${style.dim(printable(advice))}`);
  }
  const count = (status: Status): number => findings.filter((finding) => finding.status === status).length;
  const verdict = count('fail') > 0 ? `${count('fail')} to mend` : count('warn') > 0 ? 'works, with warnings' : 'all is well';
  writeLine(io.stdout, `\n${style.bold(verdict)}`);
}
