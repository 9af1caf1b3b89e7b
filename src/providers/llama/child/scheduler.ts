/**
 * Continuous batching. Each step decodes one token of every running choice, or a piece of one prompt that is not through
 * yet; samples, reports, then lets go of what ended or was cancelled and takes in what waits.
 * Never both at once, nor two prompts: the library cuts a batch into parts of one length for all sequences, and a token
 * in another part than alone scores differently, in the second digit. The same seed would say something else under load.
 */
import type { FromEngine, Job, JobUsage, Output } from '../protocol.ts';
import { betterSource, place, type Lane } from './lanes.ts';
import { startGeneration, takeToken, type Generation, type Taken } from './generation.ts';
import type { Grammar, Native } from './native.ts';
import { prepareJob } from './prepare.ts';
import type { Tokenizer } from './prompt.ts';
import type { ThreadGovernor } from './thread-governor.ts';
import { nextPiece, nextReader, READING_MS } from './turns.ts';

/** A piece so long tells how fast prompts are read. */
const TELLING_PIECE = 8;

/** How often the figures are told while there is work. */
const TELL_EVERY_MS = 250;

/** A job with its choices: some wait, some run, some are done. */
interface Task {
  readonly job: Job;
  readonly prompt: Uint32Array;
  readonly grammar: Grammar | undefined;
  readonly running: Set<Generation>;
  readonly completionTokens: number[];
  nextChoice: number;
  finished: number;
  cachedTokens: number;
  /** The prompt is decoded in some lane: the other choices can copy it. */
  promptReady: boolean;
}

/** A choice's part of a step. */
interface Piece {
  readonly generation: Generation;
  readonly tokens: Uint32Array;
}

export interface Scheduler {
  submit(job: Job): void;
  cancel(job: number): void;
}

export interface SchedulerParts {
  readonly native: Native;
  readonly governor: ThreadGovernor;
  readonly tokenizer: Tokenizer;
  readonly send: (message: FromEngine) => void;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

export function createScheduler({ native, governor, tokenizer, send, now }: SchedulerParts): Scheduler {
  const lanes: Lane[] = Array.from({ length: native.sequences }, (_, id) => ({ id, tokens: [], exact: 0, busy: false, usedAt: 0 }));
  const tasks = new Map<number, Task>();
  const preparing = new Set<number>();
  const cancelled = new Set<number>();
  let waiting: Task[] = [];
  let running: Generation[] = [];
  let outputs: Output[] = [];
  let looping = false;
  /** Milliseconds that went into prompts since the last token of those that generate, and pieces of prompts in all. */
  let readingMs = 0;
  let piecesRead = 0;
  let step = 0;
  /** A guess until the first prompt is read: a large first piece would keep others waiting. */
  let msPerPromptToken = 4;
  let threadsSet = governor.threads();
  const done = { promptSteps: 0, promptTokens: 0, reusedTokens: 0, generateSteps: 0, generatedTokens: 0 };
  let toldAt = now();

  const tellWork = (): void => {
    toldAt = now();
    send({ type: 'work', work: { busy: running.length, waiting: waiting.length + preparing.size, ...done } });
  };

  const usageOf = (task: Task): JobUsage => ({
    promptTokens: task.prompt.length,
    cachedTokens: task.cachedTokens,
    completionTokens: task.completionTokens,
  });

  const release = (generation: Generation): void => {
    generation.lane.busy = false;
    generation.lane.usedAt = step;
    generation.sampler.dispose();
    running = running.filter((other) => other !== generation);
    tasks.get(generation.job.id)?.running.delete(generation);
  };

  const drop = (task: Task): void => {
    for (const generation of task.running) release(generation);
    waiting = waiting.filter((other) => other !== task);
    tasks.delete(task.job.id);
  };

  const flush = (): void => {
    if (outputs.length > 0) send({ type: 'step', outputs });
    outputs = [];
  };

  const dropCancelled = (): void => {
    for (const id of cancelled) {
      // A job that is still being prepared looks here itself.
      if (preparing.has(id)) continue;
      cancelled.delete(id);
      const task = tasks.get(id);
      if (!task) continue;
      drop(task);
      send({ type: 'cancelled', job: id, usage: usageOf(task) });
    }
  };

  const fail = (task: Task, cause: unknown): void => {
    drop(task);
    send({ type: 'failed', job: task.job.id, message: cause instanceof Error ? cause.message : String(cause) });
  };

  const forget = (lane: Lane): void => {
    native.trim(lane.id, 0);
    lane.tokens = [];
    lane.exact = 0;
  };

  /** Makes a lane hold exactly the first `keep` tokens of `prompt`. Gives how many it holds then. */
  const readyLane = async (lane: Lane, keep: number, copyFrom: Lane | undefined): Promise<number> => {
    if (copyFrom) {
      forget(lane);
      await native.copy(lane.id, copyFrom.id);
      lane.tokens = [...copyFrom.tokens];
      lane.exact = copyFrom.exact;
    }
    if (lane.tokens.length > keep && !native.trim(lane.id, keep)) {
      // Recurrent state cannot be cut back: begin again.
      forget(lane);
      return 0;
    }
    lane.tokens.length = Math.min(lane.tokens.length, keep);
    lane.exact = Math.min(lane.exact, keep);
    return lane.tokens.length;
  };

  const startNext = async (task: Task): Promise<boolean> => {
    const placement = place(lanes, { prompt: task.prompt, reproducible: task.job.reproducible });
    if (!placement) return false;
    const { lane } = placement;
    lane.busy = true;
    lane.usedAt = step;
    try {
      const reused = await readyLane(lane, placement.reused, placement.copyFrom);
      done.reusedTokens += reused;
      const choice = task.nextChoice;
      const eager = task.job.grammar?.triggers ? undefined : task.grammar;
      const generation = startGeneration(native, { job: task.job, choice, lane, prompt: task.prompt, grammar: eager });
      task.nextChoice++;
      if (choice === 0) task.cachedTokens = reused;
      task.running.add(generation);
      running.push(generation);
    } catch (cause) {
      lane.busy = false;
      forget(lane);
      fail(task, cause);
    }
    return true;
  };

  /** Gives free lanes to waiting choices, a choice of each job in turn. */
  const admit = async (): Promise<void> => {
    for (let at = 0; at < waiting.length;) {
      const task = waiting[at];
      if (!task) return;
      if (task.nextChoice > 0 && !task.promptReady) {
        at++;
        continue;
      }
      if (!(await startNext(task))) return;
      waiting = waiting.filter((other) => other !== task);
      if (tasks.has(task.job.id) && task.nextChoice < task.job.n) waiting.push(task);
    }
  };

  /** A prompt that nothing was read of yet may begin like one that was read since it came. */
  const shareBeginning = async (generation: Generation): Promise<void> => {
    const { lane, prompt, job } = generation;
    if (generation.begun) return;
    generation.begun = true;
    const source = betterSource(lanes, lane, { prompt, reproducible: job.reproducible });
    if (!source) return;
    const before = lane.tokens.length;
    const reused = await readyLane(lane, source.reused, source.lane);
    done.reusedTokens += Math.max(0, reused - before);
    const task = tasks.get(job.id);
    if (task && generation.choice === 0) task.cachedTokens = reused;
  };

  /** What the next step decodes: a token of all that generate, or a piece of a prompt. */
  const nextPieces = async (): Promise<{ pieces: readonly Piece[]; promptTokens: number }> => {
    const decoding = running.filter((generation) => generation.next !== undefined);
    const reading = running
      .filter((generation) => generation.next === undefined)
      .map((generation) => ({ generation, left: generation.prompt.length - generation.lane.tokens.length }));
    const reader = nextReader(reading, piecesRead)?.generation;
    if (reader) {
      await shareBeginning(reader);
      const from = reader.lane.tokens.length;
      const ms = decoding.length > 0 ? READING_MS.shared : READING_MS.alone;
      const length = nextPiece(reader.prompt.length - from, { ms, msPerToken: msPerPromptToken, batchSize: native.batchSize });
      const fits = readingMs === 0 || readingMs + length * msPerPromptToken <= READING_MS.shared;
      if (decoding.length === 0 || fits) {
        return { pieces: [{ generation: reader, tokens: reader.prompt.subarray(from, from + length) }], promptTokens: length };
      }
    }
    // In the order of the sequences: the library decodes neighbours together, and cuts the batch where the order breaks.
    const inOrder = decoding.toSorted((a, b) => a.lane.id - b.lane.id);
    return { pieces: inOrder.map((generation) => ({ generation, tokens: Uint32Array.of(generation.next ?? 0) })), promptTokens: 0 };
  };

  const fillBatch = (pieces: readonly Piece[]): void => {
    native.beginBatch(pieces.reduce((sum, piece) => sum + piece.tokens.length, 0));
    for (const generation of running) generation.scoresAt = -1;
    for (const { generation, tokens } of pieces) {
      const { lane } = generation;
      const from = lane.tokens.length;
      const whole = generation.next !== undefined || from + tokens.length === generation.prompt.length;
      if (whole) generation.scoresAt = native.addScored(lane.id, from, tokens);
      else native.addToBatch(lane.id, from, tokens);
      if (generation.next === undefined && lane.exact === from) lane.exact += tokens.length;
      generation.next = undefined;
      lane.usedAt = step;
      for (const token of tokens) lane.tokens.push(token);
    }
  };

  const report = (generation: Generation, task: Task, taken: Taken): void => {
    task.completionTokens[generation.choice] = generation.generated.length;
    if (taken.text !== '' || taken.logprobs.length > 0 || taken.finish) {
      outputs.push({
        job: task.job.id,
        choice: generation.choice,
        text: taken.text,
        tokens: generation.unreported,
        ...(taken.logprobs.length > 0 ? { logprobs: taken.logprobs } : {}),
        ...(taken.finish ? { finish: taken.finish } : {}),
      });
      generation.unreported = 0;
    }
    if (!taken.finish) return;
    release(generation);
    task.finished++;
    if (task.finished < task.job.n) return;
    tasks.delete(task.job.id);
    flush();
    send({ type: 'done', job: task.job.id, usage: usageOf(task) });
  };

  const sampleAll = async (): Promise<void> => {
    const ready = running.filter((generation) => generation.scoresAt >= 0);
    // All draws are queued at once: the one native thread runs them back to back, without a turn of our loop between.
    const drawn = await Promise.allSettled(ready.map((generation) => takeToken(native, generation)));
    for (const [index, generation] of ready.entries()) {
      const task = tasks.get(generation.job.id);
      const taken = drawn[index];
      if (!task || !taken || !task.running.has(generation)) continue;
      if (taken.status === 'rejected') {
        fail(task, taken.reason);
        continue;
      }
      task.promptReady = true;
      report(generation, task, taken.value);
    }
  };

  const breakAll = (cause: unknown): void => {
    const broken = new Set(running.map((generation) => generation.job.id));
    for (const id of broken) {
      const task = tasks.get(id);
      if (task) fail(task, cause);
    }
    for (const lane of lanes) {
      if (!lane.busy) forget(lane);
    }
  };

  const runStep = async (): Promise<void> => {
    const threads = governor.threads();
    if (threads !== threadsSet) native.setThreads(threads);
    threadsSet = threads;
    const { pieces, promptTokens } = await nextPieces();
    const began = now();
    fillBatch(pieces);
    const decoding = running.filter((generation) => generation.scoresAt >= 0).length;
    // what the last step made is told while the native thread decodes, not before it may begin
    const decoded = native.decode();
    flush();
    await decoded;
    const ms = now() - began;
    if (promptTokens === 0) {
      readingMs = 0;
      governor.report(decoding, ms);
      done.generateSteps++;
      done.generatedTokens += decoding;
    } else {
      readingMs += ms;
      piecesRead++;
      governor.reportPrompt(promptTokens, ms);
      done.promptSteps++;
      done.promptTokens += promptTokens;
      // a handful of tokens takes longer each than many
      if (promptTokens >= TELLING_PIECE) msPerPromptToken += (ms / promptTokens - msPerPromptToken) / 4;
    }
    step++;
    await sampleAll();
  };

  const loop = async (): Promise<void> => {
    if (looping) return;
    looping = true;
    for (;;) {
      dropCancelled();
      // a prompt's beginning may have to be copied: nobody's tokens wait for that
      if (waiting.length > 0 || running.length === 0) flush();
      await admit();
      if (running.length === 0) break;
      try {
        await runStep();
      } catch (cause) {
        flush();
        breakAll(cause);
      }
      if (now() - toldAt >= TELL_EVERY_MS) tellWork();
    }
    tellWork();
    looping = false;
  };

  return {
    submit(job) {
      preparing.add(job.id);
      prepareJob({ native, tokenizer, isCancelled: () => cancelled.has(job.id) }, job).then(
        (prepared) => {
          preparing.delete(job.id);
          if (prepared.kind === 'cancelled') {
            cancelled.delete(job.id);
            send({ type: 'cancelled', job: job.id, usage: { promptTokens: 0, cachedTokens: 0, completionTokens: [] } });
            return;
          }
          if (prepared.kind === 'refused') {
            cancelled.delete(job.id);
            send({ type: 'refused', job: job.id, reason: prepared.reason, message: prepared.message, param: prepared.param });
            return;
          }
          const task: Task = {
            job,
            prompt: prepared.prompt,
            grammar: prepared.grammar,
            running: new Set(),
            completionTokens: Array.from({ length: job.n }, () => 0),
            nextChoice: 0,
            finished: 0,
            cachedTokens: 0,
            promptReady: false,
          };
          tasks.set(job.id, task);
          waiting.push(task);
          send({ type: 'accepted', job: job.id, promptTokens: prepared.prompt.length });
          void loop();
        },
        (cause: unknown) => {
          preparing.delete(job.id);
          cancelled.delete(job.id);
          send({ type: 'failed', job: job.id, message: cause instanceof Error ? cause.message : String(cause) });
        },
      );
    },
    cancel(id) {
      if (!tasks.has(id) && !preparing.has(id)) return;
      cancelled.add(id);
      void loop();
    },
  };
}
