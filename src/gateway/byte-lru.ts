/** Bytes by name, bounded in all; what was not used for longest goes first. */

export interface ByteLruOptions {
  readonly maxBytes: number;
  /** Milliseconds that an entry lives; 0: until it is pushed out. */
  readonly ttlMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export interface ByteLru {
  /** The bytes, which nobody may change; undefined where there are none, or none that are still good. */
  get(key: string): Uint8Array | undefined;
  /** In place of what was there. What has no room even alone is not kept. */
  set(key: string, value: Uint8Array): void;
  /**
   * Takes so many bytes of the room for something that is not stored yet, or gives them back (a negative number).
   * False, and nothing taken, where more than half of all the room would be taken like this.
   */
  hold(bytes: number): boolean;
  /** Of all entries and holds. */
  bytes(): number;
  size(): number;
}

interface Entry {
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

/** An entry beside its own bytes: key, objects and places in the map, 360 bytes of heap as measured, and what the allocator adds. */
export const ENTRY_OVERHEAD = 512;

/** No timers: an entry that is over is dropped when it is asked for, or when its turn to go comes. */
export function createByteLru({ maxBytes, ttlMs, now }: ByteLruOptions): ByteLru {
  // a Map keeps the order of insertion: the first entry is the one that was not used for longest
  const entries = new Map<string, Entry>();
  let stored = 0;
  let held = 0;
  const cost = ({ value }: Entry): number => value.byteLength + ENTRY_OVERHEAD;

  const drop = (key: string, entry: Entry): void => {
    entries.delete(key);
    stored -= cost(entry);
  };
  const makeRoom = (): void => {
    for (const [key, entry] of entries) {
      if (stored + held <= maxBytes) return;
      drop(key, entry);
    }
  };

  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      if (now() >= entry.expiresAt) {
        drop(key, entry);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value) {
      const old = entries.get(key);
      if (old) drop(key, old);
      const entry = { value, expiresAt: ttlMs === 0 ? Infinity : now() + ttlMs };
      if (cost(entry) + held > maxBytes) return;
      entries.set(key, entry);
      stored += cost(entry);
      makeRoom();
    },
    hold(bytes) {
      if (bytes > 0 && held + bytes > maxBytes / 2) return false;
      held += bytes;
      makeRoom();
      return true;
    },
    bytes: () => stored + held,
    size: () => entries.size,
  };
}
