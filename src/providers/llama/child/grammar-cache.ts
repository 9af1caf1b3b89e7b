/**
 * Compiled grammars that were used lately, each with a state at its beginning: agents send the same tools with every
 * turn, and reading a large grammar takes ten milliseconds in which nobody's tokens are drawn. Copying a state takes one.
 */
export interface GrammarCacheParts<Grammar, State> {
  /** Throws where the text has a fault. */
  readonly compile: (gbnf: string, root: string) => Grammar;
  readonly begin: (grammar: Grammar) => State;
  readonly copy: (state: State) => State;
}

export interface GrammarCache<Grammar, State> {
  /** Throws where the text has a fault; that is not kept. */
  grammar(gbnf: string, root: string): Grammar;
  /** A state of its own at the grammar's beginning. */
  state(grammar: Grammar): State;
}

const KEPT = { entries: 32, characters: 4_000_000 };

export function createGrammarCache<Grammar extends object, State extends object>(
  parts: GrammarCacheParts<Grammar, State>,
): GrammarCache<Grammar, State> {
  const known = new Map<string, Grammar>();
  /** Never drawn from: only copied. Goes with its grammar. */
  const untouched = new WeakMap<Grammar, State>();
  let characters = 0;

  return {
    grammar(gbnf, root) {
      const key = `${root} ${gbnf}`;
      const hit = known.get(key);
      const grammar = hit ?? parts.compile(gbnf, root);
      known.delete(key);
      known.set(key, grammar);
      if (hit) return grammar;
      characters += key.length;
      for (const oldest of known.keys()) {
        if (known.size === 1 || (known.size <= KEPT.entries && characters <= KEPT.characters)) break;
        known.delete(oldest);
        characters -= oldest.length;
      }
      return grammar;
    },
    state(grammar) {
      const first = untouched.get(grammar) ?? parts.begin(grammar);
      untouched.set(grammar, first);
      return parts.copy(first);
    },
  };
}
