/** Ids of tool calls as a provider wants them that takes no others. */

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';

/**
 * A mapper for one request: ids of exactly `length` letters and digits stay, others become such, the same by the same.
 * What an id becomes depends on it alone, so that it is the same in the next turn, but where two would fall together.
 */
export function createIdMapper(length: number): (id: string) => string {
  const mapped = new Map<string, string>();
  const taken = new Set<string>();
  const fits = new RegExp(`^[A-Za-z0-9]{${length}}$`);

  return (id) => {
    const known = mapped.get(id);
    if (known !== undefined) return known;
    let made = fits.test(id) ? id : digest(id, length);
    for (let again = 1; taken.has(made); again++) made = digest(`${id}#${again}`, length);
    mapped.set(id, made);
    taken.add(made);
    return made;
  };
}

/** FNV-1a over the id, once for each digit with another start. */
function digest(id: string, length: number): string {
  let made = '';
  let hash = 0x811c9dc5;
  for (let at = 0; at < length; at++) {
    hash ^= at + 1;
    for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
    made += DIGITS[(hash >>> 8) % DIGITS.length] ?? '0';
  }
  return made;
}
