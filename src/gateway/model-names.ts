/** What an administrator says about which models there are and what clients call them. */

export interface ModelNames {
  /** Name → models, of which the first that there is answers. */
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  /** New name → old name; the old one is no longer known. */
  readonly rename: Readonly<Record<string, string>>;
  /** Patterns: `*` is any text. An empty `allow` allows all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Not listed, but they answer. */
  readonly hide: readonly string[];
}

export const ALL_MODELS: ModelNames = { aliases: {}, rename: {}, allow: [], deny: [], hide: [] };

export interface NameRules {
  /** Is there a model of this id, by the id its source gives it? */
  offered(id: string): boolean;
  listed(id: string): boolean;
  /** What clients call the model of this id. */
  shownAs(id: string): string;
  /** The id behind the name of a renamed model, else the name itself; undefined for a name that was given up. */
  idOf(name: string): string | undefined;
  /** The models that an alias stands for. */
  alias(name: string): readonly string[] | undefined;
  readonly aliases: readonly string[];
}

/** The rules of these names, with the patterns compiled. Patterns are tested against ids before they are renamed. */
export function nameRules({ aliases, rename, allow, deny, hide }: ModelNames): NameRules {
  const [allowed, denied, hidden] = [matcher(allow), matcher(deny), matcher(hide)];
  const oldNames = new Map(Object.entries(rename));
  const newNames = new Map(Object.entries(rename).map(([to, from]) => [from, to]));
  return {
    offered: (id) => (allow.length === 0 || allowed(id)) && !denied(id),
    listed: (id) => !hidden(id),
    shownAs: (id) => newNames.get(id) ?? id,
    idOf: (name) => oldNames.get(name) ?? (newNames.has(name) ? undefined : name),
    alias: (name) => (Object.hasOwn(aliases, name) ? aliases[name] : undefined),
    aliases: Object.keys(aliases),
  };
}

/** Tests texts against patterns in which `*` is any text. */
export function matcher(patterns: readonly string[]): (id: string) => boolean {
  const tests = patterns.map((pattern) => {
    const text = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
    return new RegExp(`^${text.join('.*')}$`, 's');
  });
  return (id) => tests.some((test) => test.test(id));
}
