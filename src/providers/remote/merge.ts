/** Several streams read at once, in the order in which they have something. */

/**
 * Yields what any of the sources gives, with its index. Each source is asked for its next item only when the last one was
 * taken: a slow reader slows all of them down. Fails with the first failure; leaving early leaves them all.
 */
export async function* mergeInOrder<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<{ readonly index: number; readonly item: T }> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const ready: { index: number; result: IteratorResult<T> }[] = [];
  let failure: { readonly cause: unknown } | undefined;
  let wake: () => void = () => undefined;
  let open = iterators.length;

  const ask = (index: number): void => {
    iterators[index]?.next().then(
      (result) => {
        ready.push({ index, result });
        wake();
      },
      (cause: unknown) => {
        failure ??= { cause };
        wake();
      },
    );
  };

  iterators.forEach((_, index) => ask(index));
  try {
    while (open > 0) {
      if (failure) throw failure.cause;
      const next = ready.shift();
      if (!next) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if (next.result.done === true) {
        open--;
        continue;
      }
      yield { index: next.index, item: next.result.value };
      ask(next.index);
    }
  } finally {
    // what a source has to say now, nobody waits for: its failure, if any, was the reason to leave
    for (const iterator of iterators) iterator.return?.().then(undefined, () => undefined);
  }
}
