/** Mistral, on recorded answers. */
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { testRecordings } from '../support/chat-recordings.ts';

const quirks = { ...FOLLOWER, toolCallIdLength: 9, reasoningBack: { as: 'thinking_parts' } } as const;
// mistral-transcription.json is no chat
testRecordings('mistral', { folder: 'mistral/main', quirks, only: /^mistral-(?!transcription)/ });
