/** The messages of a request and the parts they are made of. */
import Type from 'typebox';
import { cacheBreakpoint, cacheControl } from './schema-cache.ts';
import { anyValue, integer, maybe, oneBy } from './schema-kit.ts';

export const TextPart = Type.Object(
  {
    type: Type.Literal('text'),
    text: Type.String({ description: 'The text.' }),
    prompt_cache_breakpoint: cacheBreakpoint,
    cache_control: cacheControl,
  },
  { title: 'TextPart', description: 'A piece of text. The text parts of a message are joined as they stand.' },
);

export const ImagePart = Type.Object(
  {
    type: Type.Literal('image_url'),
    image_url: Type.Object({
      url: Type.String({ minLength: 1, description: 'An https URL, or the image itself as a `data:` URL.' }),
      detail: maybe(Type.Enum(['auto', 'low', 'high']), { default: 'auto', description: 'How finely the model looks at it.' }),
    }),
    prompt_cache_breakpoint: cacheBreakpoint,
    cache_control: cacheControl,
  },
  { title: 'ImagePart', description: 'An image, for models whose input modalities name `image`.' },
);

export const AudioPart = Type.Object(
  {
    type: Type.Literal('input_audio'),
    input_audio: Type.Object({
      data: Type.String({ minLength: 1, description: 'The sound, in base64.' }),
      format: Type.Enum(['wav', 'mp3']),
    }),
    prompt_cache_breakpoint: cacheBreakpoint,
    cache_control: cacheControl,
  },
  { title: 'AudioPart', description: 'A recording, for models whose input modalities name `audio`.' },
);

export const FilePart = Type.Object(
  {
    type: Type.Literal('file'),
    file: Type.Object(
      {
        filename: maybe(Type.String(), { description: 'The name the model is told.' }),
        file_data: maybe(Type.String({ minLength: 1 }), { description: 'The document, in base64 or as a `data:` URL.' }),
        file_id: maybe(Type.String({ minLength: 1 }), { description: 'The id of a document that the provider has already.' }),
      },
      { description: 'Either `file_data` or `file_id` is needed.' },
    ),
    prompt_cache_breakpoint: cacheBreakpoint,
    cache_control: cacheControl,
  },
  { title: 'FilePart', description: 'A document, for models whose input modalities name `file`.' },
);

export const RefusalPart = Type.Object(
  { type: Type.Literal('refusal'), refusal: Type.String({ description: 'What the assistant said when it declined.' }) },
  { title: 'RefusalPart', description: 'A refusal of an earlier turn.' },
);

export const FunctionToolCall = Type.Object(
  {
    type: Type.Literal('function'),
    id: Type.String({ minLength: 1, description: 'Names the call; the tool message that answers it repeats it.' }),
    function: Type.Object({
      name: Type.String({ minLength: 1, description: 'The function to call.' }),
      arguments: Type.String({ description: 'Its arguments, as JSON text. A model may write bad JSON: check before you use it.' }),
    }),
  },
  { title: 'FunctionToolCall', description: 'A call of a function.' },
);

export const CustomToolCall = Type.Object(
  {
    type: Type.Literal('custom'),
    id: Type.String({ minLength: 1, description: 'Names the call; the tool message that answers it repeats it.' }),
    custom: Type.Object({
      name: Type.String({ minLength: 1, description: 'The tool to call.' }),
      input: Type.String({ description: 'Its input, as free text.' }),
    }),
  },
  { title: 'CustomToolCall', description: 'A call of a custom tool.' },
);

export const ToolCall = oneBy('type', [FunctionToolCall, CustomToolCall], { title: 'ToolCall' });

const stateEntry = Type.Object({
  type: Type.Enum(['text', 'reasoning', 'tool_call', 'opaque']),
  length: maybe(integer({ minimum: 0 })),
  id: maybe(Type.String()),
  data: anyValue({ description: 'The provider’s own.' }),
});

/** An extension of ours; see provider-state.ts. */
export const ProviderState = Type.Object(
  {
    owner: Type.String({ minLength: 1, description: 'The provider that made it and alone gets it back.' }),
    blocks: Type.Array(stateEntry, { description: 'The parts of the turn, in their order.' }),
  },
  {
    title: 'ProviderState',
    description:
      'What a provider wants to see again with the next turn: signatures, encrypted reasoning, searches it ran itself. ' +
      'Send it back with the message as it came. Another provider never gets it. An extension.',
  },
);

const name = maybe(Type.String(), { description: 'Who speaks, where several share a role.' });
const textContent = Type.Union([Type.String(), Type.Array(TextPart, { minItems: 1 })], { description: 'A string, or text parts.' });

export const DeveloperMessage = Type.Object(
  { role: Type.Literal('developer'), content: textContent, name },
  { title: 'DeveloperMessage', description: 'Instructions that rank above what users say. The newer name for `system`.' },
);

export const SystemMessage = Type.Object(
  { role: Type.Literal('system'), content: textContent, name },
  { title: 'SystemMessage', description: 'Instructions that rank above what users say.' },
);

export const UserMessage = Type.Object(
  {
    role: Type.Literal('user'),
    content: Type.Union([Type.String(), Type.Array(oneBy('type', [TextPart, ImagePart, AudioPart, FilePart]), { minItems: 1 })], {
      description: 'A string, or parts: text, images, audio, files.',
    }),
    name,
  },
  { title: 'UserMessage', description: 'What the user says.' },
);

export const AssistantMessage = Type.Object(
  {
    role: Type.Literal('assistant'),
    content: maybe(Type.Union([Type.String(), Type.Array(oneBy('type', [TextPart, RefusalPart]), { minItems: 1 })]), {
      description: 'A string or parts; absent or null where the turn is tool calls only.',
    }),
    refusal: maybe(Type.String(), { description: 'What the assistant said when it declined.' }),
    tool_calls: maybe(Type.Array(ToolCall), { description: 'The calls it made. Each must be answered by a tool message right after.' }),
    reasoning_content: maybe(Type.String(), { description: 'What the model thought before this turn, where it told.' }),
    provider_state: maybe(ProviderState, { description: 'As it came with the answer.' }),
    name,
    audio: maybe(Type.Object({ id: Type.String() }), { description: 'An earlier spoken answer.' }),
    annotations: maybe(Type.Array(Type.Unknown()), { description: 'Accepted, so that an answer can be sent back as it came.' }),
    function_call: maybe(Type.Object({ name: Type.String({ minLength: 1 }), arguments: Type.String() }), {
      deprecated: true,
      description: 'The older form of a single entry in `tool_calls`.',
    }),
  },
  { title: 'AssistantMessage', description: 'What the model answered in an earlier turn.' },
);

export const ToolMessage = Type.Object(
  {
    role: Type.Literal('tool'),
    content: textContent,
    tool_call_id: Type.String({ minLength: 1, description: 'The call that this answers.' }),
    name,
  },
  { title: 'ToolMessage', description: 'The result of a tool call of the assistant turn before it.' },
);

export const FunctionMessage = Type.Object(
  {
    role: Type.Literal('function'),
    content: Type.Union([Type.String(), Type.Null()], { description: 'What the function returned.' }),
    name: Type.String({ minLength: 1, description: 'The function that returned it.' }),
  },
  { title: 'FunctionMessage', deprecated: true, description: 'The older form of a tool message: the result of a `function_call`.' },
);

export const ChatMessage = oneBy('role', [DeveloperMessage, SystemMessage, UserMessage, AssistantMessage, ToolMessage, FunctionMessage], {
  title: 'ChatMessage',
  description: 'One turn of the conversation.',
});
