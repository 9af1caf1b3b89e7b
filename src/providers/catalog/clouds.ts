/** Clouds that serve the models of several makers, each in its own protocol. */
import { FOLLOWER } from '../../protocols/openai-chat/quirks.ts';
import type { ProviderRow } from '../row.ts';
import { BEDROCK_FAMILIES } from './bedrock-families.ts';
import { ON_RESPONSES } from './makers.ts';

export const CLOUDS: readonly ProviderRow[] = [
  {
    id: 'azure',
    name: 'Azure OpenAI',
    // Models are the names of deployments. The path without a date needs no api-version.
    speaks: { wire: 'openai-chat', quirks: { pads: true } },
    baseUrl: '{endpoint}/openai/v1',
    auth: { scheme: 'header', name: 'api-key' },
    keyEnv: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
    variables: {
      endpoint: { env: ['AZURE_OPENAI_ENDPOINT'], default: 'https://{resource}.openai.azure.com' },
      resource: { env: ['AZURE_OPENAI_RESOURCE_NAME', 'AZURE_RESOURCE_NAME'] },
    },
    // Deployments that bear the name of their model.
    rules: ON_RESPONSES,
    docs: 'https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle',
  },
  {
    id: 'vertex',
    name: 'Vertex AI',
    speaks: { wire: 'gemini', quirks: { vertex: true } },
    baseUrl: '{endpoint}/v1beta1/projects/{project}/locations/{location}',
    auth: { scheme: 'google' },
    keyEnv: [],
    variables: {
      project: { env: ['GOOGLE_CLOUD_PROJECT', 'GOOGLE_VERTEX_PROJECT', 'ANTHROPIC_VERTEX_PROJECT_ID'] },
      location: { env: ['GOOGLE_CLOUD_LOCATION', 'GOOGLE_VERTEX_LOCATION', 'CLOUD_ML_REGION'], default: 'global' },
      // A region answers at a host of its own, places that are several regions at others.
      endpoint: {
        env: ['GOOGLE_VERTEX_BASE_URL'],
        by: 'location',
        cases: {
          global: 'https://aiplatform.googleapis.com',
          us: 'https://aiplatform.us.rep.googleapis.com',
          eu: 'https://aiplatform.eu.rep.googleapis.com',
        },
        default: 'https://{location}-aiplatform.googleapis.com',
      },
    },
    listing: { as: 'gemini', path: '{endpoint}/v1beta1/publishers/google/models?pageSize=100', complete: false },
    rules: [
      {
        match: /^claude-/,
        speaks: { wire: 'anthropic-messages', quirks: { platform: 'vertex' } },
        baseUrl: '{endpoint}/v1/projects/{project}/locations/{location}',
      },
      // Open models as a service: `meta/llama-…-maas`, `deepseek-ai/deepseek-…`, `openai/gpt-oss-…`.
      {
        match: /^(?!google\/)[^/]+\/[^/]+$/,
        speaks: { wire: 'openai-chat', quirks: { ...FOLLOWER, imageUrls: false, thinkTags: true } },
        baseUrl: '{endpoint}/v1/projects/{project}/locations/{location}/endpoints/openapi',
      },
    ],
    docs: 'https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference',
  },
  {
    id: 'bedrock',
    name: 'Amazon Bedrock',
    speaks: { wire: 'bedrock-converse' },
    baseUrl: '{endpoint}',
    auth: { scheme: 'aws', service: 'bedrock' },
    keyEnv: ['AWS_BEARER_TOKEN_BEDROCK'],
    variables: {
      region: { env: ['AWS_REGION', 'AWS_DEFAULT_REGION'], default: 'us-east-1' },
      endpoint: { env: ['AWS_ENDPOINT_URL_BEDROCK_RUNTIME'], default: 'https://bedrock-runtime.{region}.amazonaws.com' },
      control: { env: ['AWS_ENDPOINT_URL_BEDROCK'], default: 'https://bedrock.{region}.amazonaws.com' },
    },
    // The list goes on with the inference profiles, by which most newer models are called.
    listing: { as: 'bedrock', path: '{control}/foundation-models', complete: false },
    rules: BEDROCK_FAMILIES,
    docs: 'https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html',
  },
];
