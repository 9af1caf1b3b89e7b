/** Tables too long to be held at once: sent piece by piece, as fast as they are read. */
import { commonHeaders, watchReader } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { roomToWrite } from './reply.ts';

/** So much is put together before it is sent. */
const PIECE = 64 * 1024;

/**
 * Answers with these lines. What fails before the first is told as a failure; what fails later cuts the connection, so that
 * nobody takes a part for the whole.
 */
export async function answerCsv(exchange: Exchange, name: string, lines: AsyncIterable<string>): Promise<void> {
  const { response, service } = exchange;
  const { writeTimeoutMs } = service.server;
  const iterator = lines[Symbol.asyncIterator]();
  let next = await iterator.next();
  if (response.headersSent || exchange.isOver()) return;
  response.writeHead(200, {
    ...commonHeaders(exchange, service.server),
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': `attachment; filename="${name}.csv"`,
    'cache-control': 'no-store',
  });
  try {
    let piece = '';
    for (; next.done !== true; next = await iterator.next()) {
      piece += next.value;
      if (piece.length < PIECE) continue;
      if (!response.write(piece)) await roomToWrite(exchange, writeTimeoutMs);
      piece = '';
      if (exchange.isOver()) return;
    }
    const settle = watchReader(exchange, writeTimeoutMs);
    response.once('close', settle);
    response.end(piece);
  } catch (cause) {
    response.destroy();
    throw cause;
  } finally {
    await iterator.return?.();
  }
}
