/** Names that may be labels: only those that proved to be real, and not more of them than a metrics database can bear. */

/**
 * What is known of a name: somebody answered to it; somebody failed to, for another reason than that there is no such
 * name; or nothing.
 */
export type Proof = 'answered' | 'failed' | 'none';

export interface BoundedNames {
  /**
   * The label for a name. One that had a proof before keeps its label; a new one gets it where it has one now and there is
   * room, else `other`; one that never had any is `unknown`.
   */
  label(name: string, proof: Proof): string;
}

/** Of all names those that only failed: while a provider is away, any name that a client makes up is one of them. */
const PART_FAILED = 0.2;

/** What a database should have to keep of one label. */
const LONGEST_LABEL = 128;

export function createBoundedNames(most: number): BoundedNames {
  const known = new Map<string, { readonly label: string; answered: boolean }>();
  let onlyFailed = 0;
  return {
    label(name, proof) {
      const there = known.get(name);
      if (there) {
        if (proof === 'answered' && !there.answered) {
          there.answered = true;
          onlyFailed--;
        }
        return there.label;
      }
      if (proof === 'none') return 'unknown';
      const answered = proof === 'answered';
      if (known.size >= most || (!answered && onlyFailed >= most * PART_FAILED)) return 'other';
      const label = name.slice(0, LONGEST_LABEL).toWellFormed();
      known.set(name, { label, answered });
      if (!answered) onlyFailed++;
      return label;
    },
  };
}
