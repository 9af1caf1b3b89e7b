/** What is so at this moment: asked for when the metrics are read, and kept nowhere. */
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { BoundedNames } from './bounded-names.ts';
import { readCounter } from './series.ts';

/** How one target does. */
export interface TargetState {
  readonly state: 'closed' | 'open' | 'half-open';
  readonly inFlight: number;
  /** Defined once it has answered. */
  readonly latencyMs: number | undefined;
}

/** What one local model's engine does and has done since the server started. */
export interface EngineState {
  readonly id: string;
  readonly loaded: boolean;
  readonly sequences: number;
  readonly busy: number;
  readonly waiting: number;
  readonly promptSteps: number;
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly generateSteps: number;
  readonly generatedTokens: number;
}

/** Where the figures come from; each is asked at every scrape. */
export interface Sources {
  /** Completions that run, and that wait for a place. */
  readonly admission: () => { readonly running: number; readonly waiting: number };
  readonly targets: () => ReadonlyMap<string, TargetState>;
  readonly engines: () => readonly EngineState[];
}

const STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

export function registerAdmission(registry: Registry, { admission }: Sources): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  gauge('parlance_completions_running', 'Completions that run now, streams until their end.', () => admission().running);
  gauge('parlance_completions_waiting', 'Completions that wait for a place, here or at a target.', () => admission().waiting);
}

interface Shown {
  state: number;
  inFlight: number;
}

/** By label: targets that share one show the worst state, and all that is in flight. */
function shown(targets: ReadonlyMap<string, TargetState>, names: BoundedNames): ReadonlyMap<string, Shown> {
  const byLabel = new Map<string, Shown>();
  for (const [key, { state, inFlight, latencyMs }] of targets) {
    const label = names.label(key, latencyMs !== undefined ? 'answered' : state !== 'closed' ? 'failed' : 'none');
    const known = byLabel.get(label);
    if (!known) byLabel.set(label, { state: STATES[state], inFlight });
    else Object.assign(known, { state: Math.max(known.state, STATES[state]), inFlight: known.inFlight + inFlight });
  }
  return byLabel;
}

export function registerTargets(registry: Registry, { targets }: Sources, names: BoundedNames): void {
  const gauge = (name: string, help: string, value: (target: Shown) => number): void => {
    new Gauge({
      name,
      help,
      aggregator: name.endsWith('state') ? 'max' : 'sum',
      labelNames: ['target'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [target, figures] of shown(targets(), names)) this.set({ target }, value(figures));
      },
    });
  };
  gauge('parlance_target_breaker_state', 'Breaker of a target: 0 closed, 1 half-open, 2 open.', ({ state }) => state);
  gauge('parlance_target_requests_in_flight', 'Requests that a target works on now.', ({ inFlight }) => inFlight);
}

export function registerEngines(registry: Registry, { engines }: Sources, names: BoundedNames): void {
  const gauge = (name: string, help: string, value: (engine: EngineState) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['gen_ai_request_model'],
      registers: [registry],
      collect() {
        this.reset();
        for (const engine of engines()) this.inc({ gen_ai_request_model: names.label(engine.id, 'answered') }, value(engine));
      },
    });
  };
  const counter = (name: string, help: string, kindsOf: (engine: EngineState) => Readonly<Record<string, number>>): void => {
    const totalsOf = (engine: EngineState) =>
      Object.entries(kindsOf(engine)).map(([kind, total]) => [[names.label(engine.id, 'answered'), kind], total] as const);
    readCounter(registry, { name, help, labels: ['gen_ai_request_model', 'kind'] }, () => engines().flatMap(totalsOf));
  };
  gauge('parlance_engine_loaded', 'Is the model in memory? 1 where it is, 0 where it was.', ({ loaded }) => Number(loaded));
  gauge('parlance_engine_sequences', 'Sequences that the engine can run at once; 0 while it is not loaded.', ({ sequences }) => sequences);
  gauge('parlance_engine_sequences_busy', 'Sequences that read a prompt or generate now.', ({ busy }) => busy);
  gauge('parlance_engine_jobs_waiting', 'Requests that wait for a sequence.', ({ waiting }) => waiting);
  counter(
    'parlance_engine_steps_total',
    'Steps (decoded batches) of the engine: of kind `prompt`, a piece of one prompt, or `generate`, a token of every sequence that generates.',
    ({ promptSteps, generateSteps }) => ({ prompt: promptSteps, generate: generateSteps }),
  );
  counter(
    'parlance_engine_tokens_total',
    'Tokens of the engine: `prompt`, decoded of prompts; `reused`, of prompts and in a sequence already; `generate`, decoded of answers.',
    ({ promptTokens, reusedTokens, generatedTokens }) => ({ prompt: promptTokens, reused: reusedTokens, generate: generatedTokens }),
  );
}
