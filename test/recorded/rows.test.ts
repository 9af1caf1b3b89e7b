/** The rows of the catalog on the recorded answers of their providers: what a row says of answers must hold for them. */
import { rowOf } from '../../src/providers/catalog.ts';
import { testRecordings } from '../support/chat-recordings.ts';

const RECORDED: readonly (readonly [row: string, folder: string, only?: RegExp])[] = [
  ['alibaba', 'alibaba/main'],
  ['deepseek', 'deepseek/chat'],
  ['groq', 'groq/main', /^groq-(?!transcription)/],
  ['mistral', 'mistral/main', /^mistral-(?!transcription)/],
  ['moonshot', 'moonshotai/main'],
  ['xai', 'xai/main'],
];

for (const [id, folder, only] of RECORDED) {
  const speaks = rowOf(id)?.speaks;
  const quirks = (speaks?.wire === 'openai-chat' && speaks.quirks) || {};
  testRecordings(`the row ${id}`, { folder, quirks, ...(only ? { only } : {}) });
}
