import { once } from 'node:events';
import { createServer } from 'node:net';
import { pick } from './random.ts';

/**
 * Below the ports that systems give out by themselves (Linux: from 32,768): nobody who asks for any port, and no outgoing connection, is
 * given one of these between the look and its use, or while whoever has it is away. A Redis of a cluster has the one 10,000 above as well.
 */
const PORTS = Array.from({ length: 10_000 }, (_, at) => 12_000 + at);

/** A port of 127.0.0.1 that nobody listened on just now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = pick(PORTS, Math.random);
    const server = createServer();
    const listening = once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.listen(port, '127.0.0.1');
    if (!(await listening)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
