/** Stored completions as OpenAI's API shows them: the answer, and the messages of the request. */

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

/** An answer as it was, with the notes that are on it now. */
export function storedCompletion(response: unknown, metadata: Readonly<Record<string, string>>) {
  return { ...fieldsOf(response), metadata };
}

/** The messages of a stored request, each with an id of its own. */
export function storedMessages(id: string, request: unknown): readonly (Fields & { readonly id: string })[] {
  const { messages } = fieldsOf(request);
  const all: readonly unknown[] = Array.isArray(messages) ? messages : [];
  return all.map((message, index) => {
    const { content, ...rest } = fieldsOf(message);
    const parts = Array.isArray(content) ? (content as readonly unknown[]) : undefined;
    return { id: `${id}-${index}`, ...rest, content: parts ? textOf(parts) : (content ?? null), content_parts: parts ?? null };
  });
}

function textOf(parts: readonly unknown[]): string | null {
  const texts = parts.map(fieldsOf).flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
  return texts.length === 0 ? null : texts.join('');
}

/** A page of a list as OpenAI's are: the next one begins after `last_id`. */
export function cursorPage<T>(data: readonly T[], hasMore: boolean, idOf: (item: T) => unknown) {
  const [first, last] = [data[0], data.at(-1)];
  return {
    object: 'list',
    data,
    first_id: first === undefined ? null : idOf(first),
    last_id: last === undefined ? null : idOf(last),
    has_more: hasMore,
  };
}
