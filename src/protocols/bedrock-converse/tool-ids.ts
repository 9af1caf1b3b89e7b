/** Ids and names of calls in a form that Converse takes, each id once, whoever made them. */

export interface ToolIds {
  /** A turn of the assistant begins: results after it answer its calls. */
  turn(): void;
  call(id: string): string;
  /** The id of the call that a result answers; calls of one id are answered in their order. */
  result(id: string): string;
}

const LONGEST = 64;

/** `short`: nine letters or digits, as some models want them. */
export function createToolIds(short: boolean): ToolIds {
  const used = new Set<string>();
  let open = new Map<string, string[]>();

  return {
    turn() {
      open = new Map();
    },
    call(id) {
      const written = unused(id);
      open.set(id, [...(open.get(id) ?? []), written]);
      return written;
    },
    result(id) {
      const [first, ...rest] = open.get(id) ?? [];
      if (rest.length > 0) open.set(id, rest);
      return first ?? form(id, 1);
    },
  };

  function unused(id: string): string {
    for (let number = 1; ; number++) {
      const written = form(id, number);
      if (used.has(written)) continue;
      used.add(written);
      return written;
    }
  }

  function form(id: string, number: number): string {
    if (short) return /^[A-Za-z0-9]{9}$/.test(id) && number === 1 ? id : nine(`${id}#${number}`);
    const clean = id.replace(/[^A-Za-z0-9_.:-]/g, '_') || 'call';
    const end = number === 1 ? '' : `_${number}`;
    if (clean.length + end.length <= LONGEST) return clean + end;
    // long ids may differ in what is cut off
    return `${clean.slice(0, LONGEST - 10 - end.length)}_${nine(id)}${end}`;
  }
}

/** The same nine characters for the same text. */
function nine(text: string): string {
  // FNV-1a, twice with different starts, is enough to tell the calls of one conversation apart
  const half = (start: number): number => {
    let hash = start;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    return hash >>> 0;
  };
  return `${half(0x811c9dc5).toString(36)}${half(0x2f0b4c47).toString(36)}`.padStart(9, '0').slice(0, 9);
}

/** A name of letters, digits, `_` and `-`, at most 64: other protocols' histories may hold others. */
export function toolName(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, LONGEST) || '_';
}
