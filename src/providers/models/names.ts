/** Models have many spellings: `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `claude-sonnet-4.5`, `openai/gpt-oss-120b`, `gpt-oss:120b`. One for all of them. */

/** Makers whose names Bedrock puts before a model's: `meta.llama3-3-70b-instruct-v1:0`. */
const BEDROCK =
  /^(?:(?:us|eu|apac|jp|au|ca|in|sa|us-gov|global|regional)\.)?(ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|writer|zai)\.(.+)$/;

/** Spellings that differ between places, in the order in which they are undone. */
const SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/@default$/, ''],
  [/@/g, '-'],
  [/(\d)p(\d)/g, '$1-$2'],
  [/[._\s]+/g, '-'],
  [/-(20\d\d)-(\d\d)-(\d\d)(?=-|$)/, '-$1$2$3'],
  [/^meta-llama-/, 'llama-'],
  [/^(?:zai|z-ai)-(?=glm)/, ''],
  [/^llama-?v?(\d)/, 'llama-$1'],
  [/^qwen-(\d)/, 'qwen$1'],
  [/^(?:nvidia|nv)-(?=nemotron|llama)/, ''],
  [/^claude-(\d(?:-\d)?)-(opus|sonnet|haiku)(?=-|$)/, 'claude-$2-$1'],
  [/^claude-(opus|sonnet|haiku)-4-0(?=-|$)/, 'claude-$1-4'],
];

/** Parts at the end of a name that say when it was made or how it is packed, not which model it is. */
const PACKING =
  /-(?:20\d{6}|\d{4}|latest|preview|beta|exp|experimental|instruct|it|hf|maas|fp8|fp4|nvfp4|mxfp4|bf16|int8|int4|awq|gptq|gguf|mlx|tput|versatile|instruct-turbo|free)$/;

/** A model's name in one spelling: lower case, dashes, no path, no place, no tag. */
export function canonicalName(model: string): string {
  const fineTuned = /^ft:([^:]+)/i.exec(model.trim())?.[1];
  const last = (fineTuned ?? model.trim()).toLowerCase().split('/').at(-1) ?? '';
  const name = withoutTag(fromBedrock(last));
  return SPELLINGS.reduce((text, [pattern, instead]) => text.replaceAll(withFlag(pattern), instead), name);
}

/** The name itself, then the same without what its end says of date and packing, one part after the other. */
export function* namesOf(model: string): Generator<string> {
  let name = canonicalName(model);
  for (;;) {
    yield name;
    const shorter = name.replace(PACKING, '');
    if (shorter === name) return;
    name = shorter;
  }
}

function fromBedrock(name: string): string {
  const [, maker, rest] = BEDROCK.exec(name) ?? [];
  if (maker === undefined || rest === undefined) return name;
  const bare = rest.replace(/(?:-v\d+)?(?::\d+(?::\w+)?)?$/, '').replace(/^(gpt-oss-.*)-1$/, '$1');
  return /^(?:r\d|v\d)/.test(bare) ? `${maker}-${bare}` : bare;
}

/** Ollama writes sizes behind a colon; others write there how a model is served. */
function withoutTag(name: string): string {
  const [head = '', tag = ''] = name.split(':');
  const size = /^(?:\d+x)?e?\d+(?:\.\d+)?[bmt](?:-a\d+(?:\.\d+)?b)?(?=-|$)/.exec(tag)?.[0];
  return size === undefined ? head : `${head}-${size}`;
}

function withFlag(pattern: RegExp): RegExp {
  return pattern.global ? pattern : new RegExp(pattern, 'g');
}
