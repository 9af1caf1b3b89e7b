/** The engines of all workers, seen from one: they run in processes of their own, which the process above starts and watches. */
import type { EngineProcess, JobEvent } from '../providers/llama/engine-process.ts';
import type { EngineManager } from '../providers/llama/manager.ts';
import type { LocalModel } from '../providers/llama/model.ts';
import { NO_WORK } from '../providers/llama/protocol.ts';
import type { Job } from '../providers/llama/protocol.ts';
import type { EngineFacts } from './offered-engines.ts';
import type { Peer } from './peer.ts';

/**
 * What is loaded, and how much waits for it, is known where the engines are: there a queue that is full refuses a job, and there the
 * figures are. None are told here.
 */
export function remoteEngines(peer: Pick<Peer, 'call' | 'open' | 'tell'>): EngineManager {
  let lastLease = 0;
  return {
    async acquire(model: LocalModel, signal) {
      const lease = ++lastLease;
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        peer.tell('engine.release', [lease]);
      };
      try {
        const facts = (await peer.call('engine.acquire', [lease, model], signal)) as EngineFacts;
        return { engine: remoteEngine(peer, lease, facts), release };
      } catch (cause) {
        release();
        throw cause;
      }
    },
    status: () => [],
    figures: () => [],
    close: () => Promise.resolve(),
  };
}

function remoteEngine(peer: Pick<Peer, 'open'>, lease: number, facts: EngineFacts): EngineProcess {
  return {
    ...facts,
    work: () => NO_WORK,
    inFlight: () => 0,
    async run(job: Omit<Job, 'id'>, signal) {
      return (await peer.open('engine.run', [lease, job], signal)) as AsyncIterable<JobEvent>;
    },
    stop: () => Promise.reject(new Error('engines are stopped by the process that has started them')),
    gone: new Promise(() => undefined),
  };
}
