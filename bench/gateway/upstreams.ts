/** Starts who is asked: nginx with constant answers where it is there, and the Node upstream for streams that take their time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepting, freePort, hasCommand, start } from '../lib/process.ts';
import { ANSWERS, FORMATS, geminiList, wholeStream } from './answers.ts';
import type { Format } from './answers.ts';

const SCRIPT = fileURLToPath(new URL('./upstream.ts', import.meta.url));

/** Which cores the server has, and which all the rest; absent where programs cannot be pinned. */
export interface Cores {
  readonly server: string;
  readonly load: string;
}

export interface Upstreams {
  /** Who gives constant answers: `http://127.0.0.1:9000`. */
  readonly constant: string;
  /** Who gives paced and held streams. */
  readonly timed: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

interface Started {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const PATHS: Readonly<Record<Format, { readonly short: string; readonly stream: string }>> = {
  openai: { short: '/short/v1/chat/completions', stream: '/stream/v1/chat/completions' },
  anthropic: { short: '/short/v1/messages', stream: '/stream/v1/messages' },
  gemini: {
    short: '/short/v1beta/models/bench:generateContent',
    stream: '/stream/v1beta/models/bench:streamGenerateContent',
  },
};

/** Gemini gives events where it is asked for them, and a list otherwise. */
const fileOf = (format: Format): string => (format === 'gemini' ? '/gemini$arg_alt.txt' : `/${format}.txt`);

/** A file is for GET only, but its answer to POST may be the file all the same. */
const locations = (folder: string): string => {
  const files = {
    openai: wholeStream('openai'),
    anthropic: wholeStream('anthropic'),
    geminisse: wholeStream('gemini'),
    gemini: geminiList(),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.txt`), text);
  const answers = FORMATS.map(
    (format) => `
    location = ${PATHS[format].short} { default_type application/json; return 200 '${ANSWERS[format].short}'; }
    location = ${PATHS[format].stream} { rewrite ^ ${fileOf(format)} last; }`,
  );
  const streams = Object.keys(files).map(
    (name) => `
    location = /${name}.txt { internal; types { } default_type ${name === 'gemini' ? 'application/json' : 'text/event-stream'}; error_page 405 =200 $uri; }`,
  );
  return [...answers, ...streams].join('');
};

const nginxConfig = (port: number, folder: string): string => `
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h; client_max_body_size 1m; client_body_buffer_size 256k;
  open_file_cache max=16 inactive=1h; open_file_cache_valid 1h;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${port} backlog=8192; root ${folder}; ${locations(folder)} }
}`;

async function startNginx(cores: Cores | undefined): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-bench-'));
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(port, folder));
  const program = start({ command: 'nginx', args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], cores: cores?.load });
  await accepting(port, { withinMs: 120_000, program });
  return {
    url: `http://127.0.0.1:${port}`,
    pid: program.pid,
    async stop() {
      await program.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startNode(cores: Cores | undefined): Promise<Started> {
  const port = await freePort();
  const program = start({ command: process.execPath, args: [SCRIPT, String(port)], cores: cores?.load });
  await accepting(port, { withinMs: 120_000, program });
  return { url: `http://127.0.0.1:${port}`, pid: program.pid, stop: () => program.stop() };
}

export async function startUpstreams(cores: Cores | undefined): Promise<Upstreams> {
  const timed = await startNode(cores);
  const constant = hasCommand('nginx') ? await startNginx(cores) : timed;
  return {
    constant: constant.url,
    timed: timed.url,
    pids: [...new Set([constant.pid, timed.pid])],
    async stop() {
      await constant.stop();
      await timed.stop();
    },
  };
}
