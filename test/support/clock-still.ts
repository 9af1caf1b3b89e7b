/** Preloaded into workers: for them time stands still, and nothing happens because it is time to. The process above them goes on. */
import cluster from 'node:cluster';

const NEVER_MS = 2 ** 31 - 1;

if (cluster.isWorker) {
  const at = performance.now();
  performance.now = () => at;
  const every = globalThis.setInterval;
  globalThis.setInterval = (does: () => void) => every(does, NEVER_MS);
}
