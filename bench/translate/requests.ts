/** What clients ask, as the text of their bodies. */

type Fields = Readonly<Record<string, unknown>>;

const MODEL: Fields = { model: 'bench', max_tokens: 4096 };

export const STREAMED: Fields = { stream: true, stream_options: { include_usage: true } };

function toolOf(name: string, fields: number): Fields {
  const property = (at: number): readonly [string, unknown] => [
    `field_${at}`,
    at % 3 === 0
      ? { type: 'array', items: { type: 'string' }, description: `The ${at} names that are meant, in the order of importance.` }
      : { type: at % 3 === 1 ? 'string' : 'integer', description: `Says how the ${at} part is to be done, where it matters.` },
  ];
  return {
    type: 'function',
    function: {
      name,
      description: `Does ${name.replaceAll('_', ' ')}. Call it when the user asks for that, and only with what the user said.`,
      parameters: {
        type: 'object',
        properties: Object.fromEntries(Array.from({ length: fields }, (_, at) => property(at))),
        required: ['field_0'],
        additionalProperties: false,
      },
    },
  };
}

const TOOL_NAMES = 'plan_route book_rooms read_file write_file search_files run_tests list_issues open_issue send_mail get_weather'.split(
  ' ',
);

const SENTENCE = 'The harbour was busy in the morning: boats came in with the tide — "fresh fish" was called out.\n';

/** One message and one tool. */
export const SMALL: string = JSON.stringify({
  ...MODEL,
  ...STREAMED,
  temperature: 0.7,
  messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
  tools: [toolOf('get_weather', 2)],
});

/** Instructions, then question, call, result and answer so many times: as agents send it with every turn. */
function turns(rounds: number): readonly Fields[] {
  const messages: Fields[] = [{ role: 'system', content: `You are a careful assistant.\n${SENTENCE.repeat(20)}` }];
  for (let at = 0; at < rounds; at++) {
    const id = `call_${String(at).padStart(24, '0')}`;
    const name = TOOL_NAMES[at % TOOL_NAMES.length] ?? '';
    const call = { id, type: 'function', function: { name, arguments: JSON.stringify({ field_0: ['a', 'b'], field_1: SENTENCE }) } };
    messages.push(
      { role: 'user', content: [{ type: 'text', text: `${at}. ${SENTENCE.repeat(4)}` }] },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: id, content: JSON.stringify({ lines: Array.from({ length: 20 }, () => SENTENCE) }) },
      { role: 'assistant', content: SENTENCE.repeat(6) },
    );
  }
  return [
    ...messages,
    { role: 'user', content: 'Is that all?' },
    { role: 'assistant', content: 'No.' },
    { role: 'user', content: 'Go on.' },
  ];
}

/** 60 messages and 10 tools, about 60 KB. */
export const LONG: string = JSON.stringify({
  ...MODEL,
  ...STREAMED,
  messages: turns(14),
  tools: TOOL_NAMES.map((name) => toolOf(name, 6)),
});

/** What the measured answers are answers to. */
export const ASKED: Fields = {
  ...MODEL,
  messages: [{ role: 'user', content: 'Plan my route.' }],
  tools: [toolOf('plan_route', 3), toolOf('book_rooms', 3)],
};
