/** Requests in the form of chat completions that between them use everything the contract has. */

type Fields = Readonly<Record<string, unknown>>;

const say = [{ role: 'user', content: 'Say hello.' }];
const PIXEL = 'data:image/png;base64,iVBORw0KGgo=';
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const weather = { type: 'function', function: { name: 'get_weather', description: 'The weather.', parameters: city, strict: true } };
const clock = { type: 'function', function: { name: 'now' } };
const shell = { type: 'custom', custom: { name: 'shell', description: 'Runs a command.', format: { type: 'text' } } };
const digits = {
  type: 'custom',
  custom: { name: 'digits', format: { type: 'grammar', grammar: { syntax: 'regex', definition: '^[0-9]+$' } } },
};
const call = (id: string, name = 'get_weather', input = '{"city":"Oslo"}') => ({
  id,
  type: 'function',
  function: { name, arguments: input },
});
const result = (id: string, content: unknown = '7 degrees') => ({ role: 'tool', tool_call_id: id, content });
const text = (value: string) => ({ type: 'text', text: value });
const person = {
  name: 'person',
  description: 'Somebody.',
  strict: true,
  schema: { type: 'object', properties: { name: { type: 'string' } } },
};

const conversations: Readonly<Record<string, readonly Fields[]>> = {
  'one message': say,
  'every role': [
    { role: 'developer', content: 'Be brief.', name: 'boss' },
    { role: 'system', content: [text('Be '), text('kind.')] },
    { role: 'user', content: 'Hi', name: 'ada' },
    { role: 'assistant', content: 'Hello', name: 'helper' },
    { role: 'user', content: [text('And '), text('now?')] },
  ],
  'images, audio and files': [
    {
      role: 'user',
      content: [
        text('Look.'),
        { type: 'image_url', image_url: { url: 'https://example.org/a.png', detail: 'low' } },
        { type: 'image_url', image_url: { url: PIXEL, detail: null } },
        { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
        { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
        { type: 'file', file: { file_id: 'file-123', filename: null } },
      ],
    },
  ],
  'calls and their results': [
    ...say,
    { role: 'assistant', content: null, tool_calls: [call('call_a'), call('call_b', 'now', '')], refusal: null },
    result('call_a'),
    result('call_b', [text('12:'), text('00')]),
    { role: 'assistant', content: [text('It is noon.')], tool_calls: [] },
    { role: 'user', content: 'Thanks' },
  ],
  'a call without a content key': [...say, { role: 'assistant', tool_calls: [call('call_a')] }, result('call_a')],
  'custom calls': [
    ...say,
    { role: 'assistant', tool_calls: [{ id: 'call_c', type: 'custom', custom: { name: 'shell', input: 'ls -l "a b"' } }] },
    result('call_c', ''),
  ],
  'an answer sent back as it came': [
    ...say,
    {
      role: 'assistant',
      content: 'See there.',
      refusal: null,
      reasoning_content: 'They greet me.',
      annotations: [{ type: 'url_citation', url_citation: { url: 'https://example.org', title: 'E', start_index: 0, end_index: 3 } }],
      provider_state: { owner: 'somebody', blocks: [{ type: 'reasoning', data: { signature: 'abc' } }] },
      audio: null,
      function_call: null,
      tool_calls: null,
    },
    { role: 'user', content: 'More' },
  ],
  refusals: [
    ...say,
    { role: 'assistant', content: null, refusal: 'I would rather not.' },
    { role: 'user', content: 'Why?' },
    { role: 'assistant', content: [{ type: 'refusal', refusal: 'I may not.' }] },
    { role: 'user', content: 'Hm.' },
  ],
  'an earlier spoken answer': [...say, { role: 'assistant', audio: { id: 'audio_1' } }, ...say],
  'a begun answer': [...say, { role: 'assistant', content: 'Once upon' }],
  'cache marks': [
    { role: 'system', content: [{ ...text('Long instructions.'), cache_control: { type: 'ephemeral', ttl: '1h' } }] },
    { role: 'user', content: [{ ...text('Hi'), prompt_cache_breakpoint: { mode: 'explicit' } }] },
  ],
};

const legacy = [
  ...say,
  { role: 'assistant', content: null, function_call: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
  { role: 'function', name: 'get_weather', content: '7 degrees' },
];
const functions = [{ name: 'get_weather', description: null, parameters: city }, { name: 'now' }];

const fields: Readonly<Record<string, Fields>> = {
  'all nulls': Object.fromEntries(
    ['temperature', 'top_p', 'n', 'stop', 'seed', 'tools', 'tool_choice', 'response_format', 'user', 'metadata', 'stream', 'logprobs'].map(
      (key) => [key, null],
    ),
  ),
  sampling: {
    temperature: 0.3,
    top_p: 0.9,
    frequency_penalty: -0.5,
    presence_penalty: 2,
    seed: 7,
    logit_bias: { 50256: -100 },
    logprobs: true,
    top_logprobs: 3,
    n: 3,
  },
  'a stop string': { stop: 'END' },
  'four stop strings': { stop: ['a', 'b', 'c', 'd'] },
  max_tokens: { max_tokens: 10 },
  max_completion_tokens: { max_completion_tokens: 20 },
  'both limits': { max_tokens: 10, max_completion_tokens: 20 },
  'no tools': { tools: [], tool_choice: 'none', parallel_tool_calls: true },
  tools: { tools: [weather, clock], tool_choice: 'auto', parallel_tool_calls: false },
  'tools without a choice': { tools: [weather] },
  'a call is required': { tools: [weather, clock], tool_choice: 'required' },
  'no call is wanted': { tools: [weather], tool_choice: 'none' },
  'a named function': { tools: [weather, clock], tool_choice: { type: 'function', function: { name: 'now' } } },
  'custom tools': { tools: [weather, shell, digits] },
  'a named custom tool': { tools: [weather, shell], tool_choice: { type: 'custom', custom: { name: 'shell' } } },
  'allowed tools': {
    tools: [weather, clock, shell],
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'now' } }] } },
  },
  'allowed and required': {
    tools: [weather, clock],
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'get_weather' } }] },
    },
  },
  text: { response_format: { type: 'text' } },
  'any JSON': { response_format: { type: 'json_object' } },
  'JSON of a schema': { response_format: { type: 'json_schema', json_schema: person } },
  'JSON of a schema, with tools': { tools: [weather], response_format: { type: 'json_schema', json_schema: person } },
  'a stream': { stream: true },
  'a stream with usage': { stream: true, stream_options: { include_usage: true, include_obfuscation: true } },
  effort: { reasoning_effort: 'high', verbosity: 'low' },
  'no effort': { reasoning_effort: 'none' },
  speech: { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } },
  'a prediction': { prediction: { type: 'content', content: [text('Once '), text('upon')] } },
  bookkeeping: {
    user: 'u1',
    safety_identifier: 's1',
    metadata: { team: 'blue' },
    store: true,
    service_tier: 'flex',
    prompt_cache_key: 'k',
  },
  'cache retention': { prompt_cache_retention: '24h' },
  'a search': {
    web_search_options: {
      search_context_size: 'low',
      user_location: { type: 'approximate', approximate: { country: 'NO', city: 'Oslo' } },
    },
  },
  functions: { functions },
  'a named function in the older form': { functions, function_call: { name: 'now' } },
  'no function is wanted': { functions, function_call: 'none' },
};

/** Each with a name that says what is special. `functions`, too: some providers only know them as tools. */
export function wideRequests(model: string): readonly (readonly [name: string, body: Fields])[] {
  return [
    ...Object.entries(conversations).map(([name, messages]) => [name, { model, messages }] as const),
    ...Object.entries(fields).map(([name, more]) => [name, { model, messages: say, ...more }] as const),
    ['functions and their results', { model, messages: legacy, functions }],
    ['tools and their results', { model, messages: conversations['calls and their results'], tools: [weather, clock] }],
    ['custom tools and their results', { model, messages: conversations['custom calls'], tools: [shell] }],
  ];
}
