/** Local models as a backend: a request becomes a job of an engine, its output the events of an answer. */
import { createHash, randomBytes } from 'node:crypto';
import { refuseIgnored, type Backend, type Call, type Reply } from '../../core/call.ts';
import type { ChatRequest, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { createChoiceReader, type ChoiceReader } from './choice-events.ts';
import type { EngineProcess, JobEvent } from './engine-process.ts';
import { planChat } from './formats/index.ts';
import type { ChatPlan, ModelTraits } from './formats/plan.ts';
import type { EngineManager, Lease } from './manager.ts';
import type { Library, LocalModel } from './model.ts';
import type { Job } from './protocol.ts';
import type { EngineSettings } from './settings.ts';
import { sizeEngine } from './sizing.ts';

export interface LlamaParts {
  readonly library: Library;
  readonly manager: EngineManager;
  readonly settings: EngineSettings;
}

function traitsOf({ gguf }: LocalModel): ModelTraits {
  return { template: gguf.chatTemplate, bosToken: gguf.bosToken, eosToken: gguf.eosToken, architecture: gguf.architecture };
}

/** The seed is any integer in the contract and 32 bits in the sampler; nearby seeds stay different. */
function seedOf(request: ChatRequest): number {
  const { seed } = request.sampling;
  if (seed === undefined) return randomBytes(4).readUInt32LE();
  const wide = BigInt.asUintN(64, BigInt(Math.trunc(seed)));
  return Number((wide ^ (wide >> 32n)) & 0xffff_ffffn);
}

function jobOf(request: ChatRequest, plan: ChatPlan, template: string): Omit<Job, 'id'> {
  const { sampling } = request;
  return {
    prompt: {
      template: plan.template ?? template,
      messages: plan.render.messages,
      ...(plan.render.tools ? { tools: plan.render.tools } : {}),
      variables: plan.render.variables,
      prefix: plan.prefix,
    },
    n: request.n,
    ...(request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens }),
    temperature: sampling.temperature ?? 1,
    topP: sampling.topP ?? 1,
    frequencyPenalty: sampling.frequencyPenalty ?? 0,
    presencePenalty: sampling.presencePenalty ?? 0,
    logitBias: [...(sampling.logitBias ?? [])],
    seed: seedOf(request),
    reproducible: sampling.seed !== undefined || sampling.temperature === 0,
    stop: request.stop,
    formatStop: plan.formatStop,
    ...(plan.stopAfter === undefined ? {} : { stopAfter: plan.stopAfter }),
    ...(plan.grammar ? { grammar: plan.grammar } : {}),
    ...(request.logprobs ? { logprobs: request.logprobs.top } : {}),
  };
}

/** Changes where the same seed may say something else: another file, other sizes. */
function fingerprintOf(model: LocalModel, settings: EngineSettings): string {
  const { contextSize, batchSize, threads, gpu } = sizeEngine(model, settings);
  const facts = [model.sha256 ?? `${model.bytes}:${model.created}`, contextSize, batchSize, threads, gpu, process.arch];
  return `fp_${createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 12)}`;
}

interface Answer {
  readonly request: ChatRequest;
  readonly plan: ChatPlan;
  /** What the answer calls the model. */
  readonly name: string;
  readonly fingerprint: string;
}

/** The events of a job. The lease is given back however the reading ends. */
async function* eventsOf(answer: Answer, jobEvents: AsyncIterable<JobEvent>, lease: Lease): AsyncGenerator<Batch> {
  const { request, plan, name, fingerprint } = answer;
  const named = request.toolChoice.mode === 'named';
  const readers: ChoiceReader[] = Array.from({ length: request.n }, (_, choice) => createChoiceReader(choice, plan.parser(), named));
  let head: ChatEvent[] = [
    {
      type: 'start',
      id: `chatcmpl-${randomBytes(15).toString('base64url')}`,
      model: name,
      created: Math.floor(Date.now() / 1000),
      fingerprint,
    },
  ];
  try {
    for await (const event of jobEvents) {
      if (event.type === 'outputs') {
        const events = event.outputs.flatMap((output) => readers[output.choice]?.push(output) ?? []);
        if (head.length + events.length > 0) yield { events: [...head, ...events] };
        head = [];
        continue;
      }
      const usage: Usage = {
        promptTokens: event.usage.promptTokens,
        completionTokens: event.usage.completionTokens.reduce((sum, tokens) => sum + tokens, 0),
        cachedTokens: event.usage.cachedTokens,
        reasoningTokens: readers.reduce((sum, reader) => sum + reader.reasoningTokens(), 0),
      };
      yield { events: [{ type: 'usage', usage }, { type: 'end' }] };
    }
  } finally {
    lease.release();
  }
}

/** One more request than the queue holds is answered at once, with a guess of when to come back. */
export function refuseFull(engine: EngineProcess, model: LocalModel, settings: EngineSettings): void {
  const { sequences } = sizeEngine(model, settings);
  const waiting = engine.inFlight() - sequences;
  if (waiting < settings.queue) return;
  throw new GatewayError('overloaded', `The model '${model.id}' has ${waiting} requests waiting already. Try again later.`, {
    retryAfterMs: Math.min(30_000, 500 + 250 * waiting),
  });
}

export function createLlamaBackend({ library, manager, settings }: LlamaParts): Backend {
  return {
    async chat(call: Call, target): Promise<Reply> {
      const { request, signal } = call;
      const model = await library.find(target.id);
      if (!model) throw new GatewayError('model_not_found', `The model '${target.card.id}' is no longer there.`, { param: 'model' });
      // Before the engine is asked for: what the model cannot do needs no loading.
      const plan = planChat(request, traitsOf(model));
      refuseIgnored(call, plan.ignored);
      const job = jobOf(request, plan, model.gguf.chatTemplate);
      const lease = await manager.acquire(model, signal);
      try {
        refuseFull(lease.engine, model, settings);
        const jobEvents = await lease.engine.run(job, signal);
        // Its first output may come when the client has left already: nobody reads it, and the signal fires no more.
        signal.throwIfAborted();
        // A reader that never comes must not keep the model loaded; the signal ends its job.
        signal.addEventListener('abort', lease.release, { once: true });
        const fingerprint = fingerprintOf(model, settings);
        return {
          kind: 'stream',
          batches: eventsOf({ request, plan, name: target.card.id, fingerprint }, jobEvents, lease),
          ignored: plan.ignored,
        };
      } catch (cause) {
        lease.release();
        throw cause;
      }
    },
  };
}
