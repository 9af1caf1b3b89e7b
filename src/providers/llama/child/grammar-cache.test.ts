import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGrammarCache } from './grammar-cache.ts';

interface Grammar {
  readonly text: string;
}
interface State {
  readonly of: string;
  readonly copied: boolean;
}

function counted() {
  const work = { compiled: 0, begun: 0, copied: 0 };
  const cache = createGrammarCache<Grammar, State>({
    compile(gbnf, root) {
      if (gbnf === 'bad') throw new Error('a fault');
      work.compiled++;
      return { text: `${root}:${gbnf}` };
    },
    begin({ text }) {
      work.begun++;
      return { of: text, copied: false };
    },
    copy(state) {
      work.copied++;
      return { ...state, copied: true };
    },
  });
  return { cache, work };
}

test('a grammar is compiled and begun once; each choice gets a copy of its own', () => {
  const { cache, work } = counted();
  const states = [1, 2, 3].map(() => cache.state(cache.grammar('a', 'root')));
  assert.deepEqual(work, { compiled: 1, begun: 1, copied: 3 });
  assert.equal(new Set(states).size, 3);
  assert.ok(states.every((state) => state.copied && state.of === 'root:a'));
});

test('the same text with another root is another grammar', () => {
  const { cache } = counted();
  assert.notEqual(cache.grammar('a', 'root'), cache.grammar('a', 'late-root'));
});

test('a fault is told every time, and nothing is kept of it', () => {
  const { cache, work } = counted();
  for (let i = 0; i < 2; i++) assert.throws(() => cache.grammar('bad', 'root'), /a fault/);
  assert.equal(work.compiled, 0);
});

test('what was used longest ago is let go, by number and by size', () => {
  const many = counted();
  for (let i = 0; i < 33; i++) {
    many.cache.grammar(`g${i}`, 'root');
    many.cache.grammar('often', 'root');
  }
  assert.equal(many.work.compiled, 34);
  many.cache.grammar('often', 'root');
  assert.equal(many.work.compiled, 34);
  many.cache.grammar('g0', 'root');
  assert.equal(many.work.compiled, 35);

  const large = counted();
  for (const letter of 'abc') large.cache.grammar(letter.repeat(1_900_000), 'root');
  large.cache.grammar('c'.repeat(1_900_000), 'root');
  assert.equal(large.work.compiled, 3);
  large.cache.grammar('a'.repeat(1_900_000), 'root');
  assert.equal(large.work.compiled, 4);
});
