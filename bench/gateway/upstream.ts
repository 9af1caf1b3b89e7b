/**
 * An upstream in Node, for what nginx cannot say: streams with a word every so many milliseconds, each with the time it was sent,
 * and streams that stay open. Where there is no nginx, the constant answers too. The path says what is wanted:
 * `/short/…`, `/stream/…` (all at once), `/paced-20/…` (milliseconds), `/held/…` (a word, and no end until the client leaves).
 *   node upstream.ts PORT
 */
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { ANSWERS, WORDS, geminiList, wholeStream } from './answers.ts';
import type { Format } from './answers.ts';

const STREAMS: Readonly<Record<Format, string>> = {
  openai: wholeStream('openai'),
  anthropic: wholeStream('anthropic'),
  gemini: wholeStream('gemini'),
};
const LIST = geminiList();

const now = (): string => ` ${performance.timeOrigin + performance.now()}`;

function formatOf(path: string): Format {
  if (path.includes('/messages')) return 'anthropic';
  return path.includes('enerateContent') ? 'gemini' : 'openai';
}

function paced(response: ServerResponse, format: Format, ms: number): void {
  const { first, word, last } = ANSWERS[format].frames;
  response.write(first + word(now()));
  let sent = 1;
  const timer = setInterval(() => {
    response.write(word(now()));
    if (++sent < WORDS) return;
    clearInterval(timer);
    response.end(last);
  }, ms);
  response.on('close', () => clearInterval(timer));
}

createServer({ noDelay: true, keepAliveTimeout: 3_600_000, requestTimeout: 0 }, (request, response) => {
  request.resume();
  request.on('end', () => {
    const path = request.url ?? '/';
    const format = formatOf(path);
    const [, how = ''] = path.split('/', 2);
    const { short, frames } = ANSWERS[format];
    response.setHeader('content-type', how === 'short' ? 'application/json' : 'text/event-stream');
    if (how === 'short') return response.end(short);
    if (how === 'stream') return response.end(format === 'gemini' && !path.includes('alt=sse') ? LIST : STREAMS[format]);
    if (how === 'held') return response.write(frames.first + frames.word(now()));
    const ms = /^paced-(\d+)$/.exec(how)?.[1];
    if (ms !== undefined) return paced(response, format, Number(ms));
    response.statusCode = 404;
    return response.end();
  });
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 8192 });
