/** How a client marks the end of a prefix that is worth caching. */
import Type from 'typebox';
import { maybe } from './schema-kit.ts';

export const cacheBreakpoint = maybe(Type.Object({ mode: Type.Literal('explicit') }), {
  description: 'Marks the end of a prefix that the provider should cache.',
});

/** The spelling of Anthropic's API, which clients of several gateways use; an extension of ours. */
export const cacheControl = maybe(Type.Object({ type: Type.Literal('ephemeral'), ttl: maybe(Type.Enum(['5m', '1h'])) }), {
  description: 'The same as `prompt_cache_breakpoint`, in the spelling of Anthropic’s API. An extension.',
});
