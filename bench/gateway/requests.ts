/** The requests: a short question, a conversation of 100 kB as an agent sends it with every turn, and one with 20 tools. */

interface Turn {
  readonly role: string;
  readonly content: string;
}

const PARAGRAPH =
  'The harbour was busy in the morning: boats came in with the tide, "fresh fish" was called out, and by noon the square smelled of salt.\n';

function conversation(bytes: number): readonly Turn[] {
  const turns: Turn[] = [{ role: 'system', content: 'You are a helpful assistant.' }];
  for (let size = 0; size < bytes;) {
    const content = `${turns.length}. ${PARAGRAPH.repeat(8)}`;
    turns.push({ role: turns.length % 2 === 1 ? 'user' : 'assistant', content });
    size += JSON.stringify(turns.at(-1)).length + 1;
  }
  if (turns.at(-1)?.role !== 'user') turns.push({ role: 'user', content: 'Go on.' });
  return turns;
}

const QUESTION: readonly Turn[] = [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: 'What is the capital of France?' },
];

const THINGS = ['file', 'folder', 'issue', 'branch', 'calendar entry'];
const ACTIONS = ['find', 'read', 'change', 'delete'];

/** As an agent offers them: what they do, and parameters of several kinds, nested ones too. */
const TOOLS = THINGS.flatMap((thing) =>
  ACTIONS.map((action) => ({
    type: 'function',
    function: {
      name: `${action}_${thing.replaceAll(' ', '_')}`,
      description: `Use this to ${action} a ${thing}. Say exactly which one is meant, and never guess a name that nobody told you.`,
      parameters: {
        type: 'object',
        properties: {
          id: { type: 'string', description: `Which ${thing}: its id as an earlier answer gave it.` },
          limit: { type: 'integer', minimum: 1, maximum: 100, description: 'How many at most.' },
          order: { type: 'string', enum: ['newest', 'oldest', 'name'], description: 'In which order.' },
          filter: {
            type: 'object',
            properties: {
              text: { type: 'string', description: 'Words that it has to hold.' },
              labels: { type: 'array', items: { type: 'string' }, description: 'Labels, all of which it has to have.' },
              since: { type: 'string', description: 'A date such as 2026-01-31.' },
            },
            required: ['text'],
            additionalProperties: false,
          },
        },
        required: ['id'],
        additionalProperties: false,
      },
    },
  })),
);

const SETTINGS = { temperature: 0.7, max_tokens: 256 };

/** What a request holds beside the name of its model. */
export const CONTENTS = {
  short: { ...SETTINGS, messages: QUESTION },
  long: { ...SETTINGS, messages: conversation(100_000) },
  tools: { ...SETTINGS, messages: QUESTION, tools: TOOLS },
  stream: { ...SETTINGS, messages: QUESTION, stream: true },
} as const;

export type Content = keyof typeof CONTENTS;

export function bodyOf(content: Content, model: string): string {
  return JSON.stringify({ model, ...CONTENTS[content] });
}
