// Loaded into the server by `--import`: says over a socket what memory the process has, before and after collecting garbage.
// Needs --expose-gc and BENCH_MEMORY_SOCKET, a path.
import { createServer } from 'node:net';
import { isMainThread } from 'node:worker_threads';

const path = process.env.BENCH_MEMORY_SOCKET;
if (isMainThread && path !== undefined) {
  createServer((socket) => {
    const before = process.memoryUsage();
    // what the first collection finalizes, the second can take
    globalThis.gc();
    globalThis.gc();
    socket.end(JSON.stringify({ before, after: process.memoryUsage() }));
  })
    .listen(path)
    .unref();
}
