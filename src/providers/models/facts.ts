/** What is known of a model before its provider is asked. */
import type { Capabilities, Pricing } from '../../core/call.ts';
import { priceOf } from './prices.ts';
import { tableFacts } from './table.ts';

export { knownModels } from './known.ts';

/** What is not known is absent, never guessed. */
export interface KnownModel {
  /** Tokens. */
  readonly contextWindow?: number;
  /** Tokens of one answer. */
  readonly maxOutputTokens?: number;
  readonly capabilities: Capabilities;
  readonly pricing?: Pricing;
  readonly ownedBy?: string;
  /** Unix seconds. */
  readonly created?: number;
}

/**
 * Facts by the catalog's row (absent for custom providers) and the provider's own name of the model. Capabilities and
 * makers go with the model; prices go with the provider; limits with the provider where weights are open.
 */
export function factsOf(row: string | undefined, upstreamModel: string, at: Date = new Date()): KnownModel {
  const known = tableFacts(row, upstreamModel);
  const { pricing, contextWindow: pricedWindow } = priceOf(row, upstreamModel, at);
  const contextWindow = known?.contextWindow ?? pricedWindow;
  return {
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(known?.maxOutputTokens === undefined ? {} : { maxOutputTokens: known.maxOutputTokens }),
    capabilities: known?.capabilities ?? {},
    ...(pricing === undefined ? {} : { pricing }),
    ...(known === undefined ? {} : { ownedBy: known.ownedBy }),
  };
}
