/** Turns in the order that strict chat templates want. */
import { list } from '../json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Between what two messages said that became one. */
const BREAK = '\n\n';

/** All instructions in one system message at the beginning, then user and assistant in turn. */
export function alternating(messages: readonly Fields[]): readonly Fields[] {
  const made: Fields[] = [];
  let system: Fields | undefined;
  for (const message of messages) {
    if (message['role'] === 'system' || message['role'] === 'developer') {
      system = system ? joined(system, message) : message;
      continue;
    }
    const last = made.at(-1);
    if (last && fits(last, message)) made[made.length - 1] = joined(last, message);
    else made.push(message);
  }
  return system ? [system, ...made] : made;
}

/** Calls and their results stay as they are: their order is part of the protocol. */
function fits(last: Fields, next: Fields): boolean {
  if (last['role'] !== next['role'] || last['role'] === 'tool') return false;
  return last['tool_calls'] === undefined && next['tool_calls'] === undefined;
}

function joined(first: Fields, second: Fields): Fields {
  const [before, after] = [first['content'], second['content']];
  if (typeof before === 'string' && typeof after === 'string') {
    return { ...first, content: before === '' || after === '' ? before + after : `${before}${BREAK}${after}` };
  }
  return { ...first, content: [...asParts(before), ...asParts(after)] };
}

function asParts(content: unknown): readonly unknown[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return list(content);
}
