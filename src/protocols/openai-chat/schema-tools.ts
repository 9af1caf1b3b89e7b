/** What a request may say about tools, in the present and in the deprecated form. */
import Type from 'typebox';
import { cacheControl } from './schema-cache.ts';
import { anyObject, maybe, oneBy } from './schema-kit.ts';

const toolName = () =>
  Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$', description: 'Letters, digits, `_` and `-`, at most 64.' });

const functionFields = {
  name: toolName(),
  description: maybe(Type.String(), { description: 'What it does and when to call it; the model chooses by this.' }),
  parameters: maybe(anyObject(), {
    description: 'Its arguments, as a JSON Schema of type `object`. Left out: a function without arguments.',
  }),
};

export const FunctionTool = Type.Object(
  {
    type: Type.Literal('function'),
    function: Type.Object({
      ...functionFields,
      strict: maybe(Type.Boolean(), { default: false, description: 'Hold the arguments to the schema while they are generated.' }),
    }),
    cache_control: cacheControl,
  },
  { title: 'FunctionTool', description: 'A function that the model may call.' },
);

const CustomFormat = oneBy('type', [
  Type.Object({ type: Type.Literal('text') }, { description: 'Any text.' }),
  Type.Object(
    {
      type: Type.Literal('grammar'),
      grammar: Type.Object({ syntax: Type.Enum(['lark', 'regex']), definition: Type.String({ minLength: 1 }) }),
    },
    { description: 'Text of a grammar.' },
  ),
]);

export const CustomTool = Type.Object(
  {
    type: Type.Literal('custom'),
    custom: Type.Object({
      name: toolName(),
      description: maybe(Type.String(), { description: 'What it does and when to call it.' }),
      format: maybe(CustomFormat, { description: 'What its input looks like; any text where it is left out.' }),
    }),
  },
  { title: 'CustomTool', description: 'A tool whose input is text of its own format and not JSON.' },
);

export const Tool = oneBy('type', [FunctionTool, CustomTool], { title: 'Tool' });

const named = Type.Object({ name: Type.String({ minLength: 1, description: 'The name of a tool in `tools`.' }) });
const NamedFunction = Type.Object({ type: Type.Literal('function'), function: named }, { title: 'NamedFunction' });
const NamedCustom = Type.Object({ type: Type.Literal('custom'), custom: named }, { title: 'NamedCustomTool' });

const AllowedTools = Type.Object(
  {
    type: Type.Literal('allowed_tools'),
    allowed_tools: Type.Object({
      mode: Type.Enum(['auto', 'required'], { description: '`auto`: may call one of these. `required`: must.' }),
      tools: Type.Array(oneBy('type', [NamedFunction, NamedCustom]), { minItems: 1, description: 'The tools that may be called.' }),
    }),
  },
  { title: 'AllowedTools', description: 'Narrows the choice to some of `tools`, which can stay the same (and cached) from call to call.' },
);

export const ToolChoice = Type.Union([Type.Enum(['none', 'auto', 'required']), oneBy('type', [NamedFunction, NamedCustom, AllowedTools])], {
  title: 'ToolChoice',
  description:
    '`none`: no calls. `auto`: the model chooses (the default with tools). `required`: at least one call. ' +
    'A named tool: exactly that call. `allowed_tools`: `auto` or `required` over some of the tools.',
});

export const DeprecatedFunction = Type.Object(functionFields, { title: 'DeprecatedFunction', deprecated: true });

export const DeprecatedFunctionChoice = Type.Union([Type.Enum(['none', 'auto']), named], {
  description: 'The older form of `tool_choice`.',
});
