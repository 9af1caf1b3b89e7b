/** A fast wrong answer is worth nothing: what comes out is looked at before anything is measured. */
import assert from 'node:assert/strict';
import { joined } from './form.ts';
import type { Pair } from './jobs.ts';

interface Spoken {
  readonly content?: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly { readonly index?: number; readonly function: { readonly name?: string; readonly arguments: string } }[];
}

interface Said {
  text: string;
  reasoning: string;
  readonly calls: { name: string; input: string }[];
}

function add(said: Said, { content, reasoning_content: reasoning, tool_calls: calls = [] }: Spoken): void {
  said.text += content ?? '';
  said.reasoning += reasoning ?? '';
  for (const [at, call] of calls.entries()) {
    const known = (said.calls[call.index ?? at] ??= { name: '', input: '' });
    known.name += call.function.name ?? '';
    known.input += call.function.arguments;
  }
}

function readStream(frames: string): Said {
  const said: Said = { text: '', reasoning: '', calls: [] };
  assert.ok(frames.endsWith('data: [DONE]\n\n'), `the stream ends with ${frames.slice(-300)}`);
  for (const frame of frames.split('\n\n').slice(0, -2)) {
    const { choices } = JSON.parse(frame.replace(/^data: /, '')) as { readonly choices: readonly { readonly delta: Spoken }[] };
    for (const { delta } of choices) add(said, delta);
  }
  return said;
}

function readWhole(body: string): Said {
  const said: Said = { text: '', reasoning: '', calls: [] };
  const { choices } = JSON.parse(body) as { readonly choices: readonly { readonly message: Spoken }[] };
  for (const { message } of choices) add(said, message);
  return said;
}

/** Throws where a pair does not give what it should. */
export async function checkPair(pair: Pair): Promise<void> {
  const output = await pair.output();
  if (!pair.said) {
    const asked = pair.what === 'small' ? 'What is the weather in Paris?' : 'Go on.';
    assert.ok(output.includes(asked) && output.includes('get_weather'), `${pair.wire} leaves something of the ${pair.what} request out`);
    return;
  }
  const got = pair.table === 'stream' ? readStream(output) : readWhole(output);
  const { text, reasoning, calls } = pair.said;
  const where = `${pair.wire}, ${pair.table}, ${pair.what}`;
  assert.equal(got.text, joined(text), where);
  assert.equal(got.reasoning, joined(reasoning), where);
  assert.deepEqual(
    got.calls.map(({ name, input }) => [name, JSON.parse(input)]),
    calls.map(({ name, pieces }) => [name, JSON.parse(joined(pieces))]),
    where,
  );
}
