/** Engines for one worker. What it has of them ends with it. */
import { GatewayError } from '../core/error.ts';
import { refuseFull } from '../providers/llama/backend.ts';
import type { EngineProcess } from '../providers/llama/engine-process.ts';
import type { EngineManager, Lease } from '../providers/llama/manager.ts';
import type { LocalModel } from '../providers/llama/model.ts';
import type { Job } from '../providers/llama/protocol.ts';
import type { EngineSettings } from '../providers/llama/settings.ts';
import type { Answerer } from './peer.ts';

/** What is known of an engine that is loaded and does not change. */
export type EngineFacts = Pick<EngineProcess, 'pid' | 'contextSize' | 'vocabulary' | 'warnings' | 'sequences'>;

interface Held {
  readonly model: LocalModel;
  lease: Lease | undefined;
  isReleased: boolean;
}

export interface OfferedEngines {
  readonly answers: Readonly<Record<'engine.acquire' | 'engine.run' | 'engine.release', Answerer>>;
  /** The worker is gone: its leases are given back. Its jobs end by their signals. */
  close(): void;
}

/** `manager` is that of this process. Leases have the numbers that the worker gives them: it may give one back that it has not got yet. */
export function offerEngines(manager: EngineManager, settings: EngineSettings): OfferedEngines {
  const leases = new Map<number, Held>();

  const release = (id: number): void => {
    const held = leases.get(id);
    leases.delete(id);
    if (!held) return;
    held.isReleased = true;
    held.lease?.release();
  };

  return {
    answers: {
      'engine.acquire': async ([id, model], asked): Promise<EngineFacts> => {
        const held: Held = { model: model as LocalModel, lease: undefined, isReleased: false };
        leases.set(id as number, held);
        const lease = await manager.acquire(held.model, asked.signal);
        if (held.isReleased) lease.release();
        else held.lease = lease;
        const { pid, contextSize, vocabulary, warnings, sequences } = lease.engine;
        return { pid, contextSize, vocabulary, warnings, sequences };
      },
      'engine.run': ([id, job], asked) => {
        const { model, lease } = leases.get(id as number) ?? {};
        if (!model || !lease) throw new GatewayError('cancelled', 'The request was cancelled.');
        // here, where the jobs of all workers come together
        refuseFull(lease.engine, model, settings);
        return lease.engine.run(job as Omit<Job, 'id'>, asked.signal);
      },
      'engine.release': ([id]) => release(id as number),
    },
    close() {
      for (const id of leases.keys()) release(id);
    },
  };
}
