/** Names that may be labels: only those that proved to be real, and not more of them than a metrics database can bear. */

export interface BoundedNames {
  /**
   * The label for a name. One that was real before keeps its label; a new one gets it where it is `real` now and there is
   * room, else `other`; one that was never real is `unknown`.
   */
  label(name: string, real: boolean): string;
}

/** What a database should have to keep of one label. */
const LONGEST_LABEL = 128;

export function createBoundedNames(most: number): BoundedNames {
  const known = new Map<string, string>();
  return {
    label(name, real) {
      const label = known.get(name);
      if (label !== undefined) return label;
      if (!real) return 'unknown';
      if (known.size >= most) return 'other';
      const shown = name.slice(0, LONGEST_LABEL).toWellFormed();
      known.set(name, shown);
      return shown;
    },
  };
}
