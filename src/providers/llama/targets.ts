/** The local models as targets of the gateway. */
import type { Backend, ModelCard, Target } from '../../core/call.ts';
import { describeTraits } from './formats/index.ts';
import type { Library, LocalModel } from './model.ts';
import type { EngineSettings } from './settings.ts';
import { sizeEngine } from './sizing.ts';

function detailsOf({ gguf, bytes, origin }: LocalModel): NonNullable<ModelCard['details']> {
  return {
    origin,
    bytes,
    architecture: gguf.architecture,
    ...(gguf.quantization === undefined ? {} : { quantization: gguf.quantization }),
    ...(gguf.parameters === undefined ? {} : { parameters: gguf.parameters }),
    ...(gguf.license === undefined ? {} : { license: gguf.license }),
  };
}

export function cardOf(model: LocalModel, settings: EngineSettings): ModelCard {
  const { gguf } = model;
  const traits = describeTraits({
    template: gguf.chatTemplate,
    bosToken: gguf.bosToken,
    eosToken: gguf.eosToken,
    architecture: gguf.architecture,
  });
  return {
    id: model.id,
    created: model.created,
    ownedBy: model.ownedBy,
    endpoints: ['/v1/chat/completions'],
    contextWindow: sizeEngine(model, settings).contextSize,
    capabilities: {
      tools: true,
      structuredOutput: true,
      logprobs: true,
      reasoning: traits.reasoning,
      inputModalities: ['text'],
      outputModalities: ['text'],
    },
    details: detailsOf(model),
  };
}

/** The library's models, served by `backend`. */
export function localTargets(library: Library, backend: Backend, settings: EngineSettings) {
  const targetOf = (model: LocalModel): Target => ({ id: model.id, card: cardOf(model, settings), backend });
  return {
    list: async (): Promise<readonly Target[]> => (await library.list()).map(targetOf),
    find: async (id: string): Promise<Target | undefined> => {
      const model = await library.find(id);
      return model && targetOf(model);
    },
  };
}
