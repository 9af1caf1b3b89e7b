/** DeepSeek, on recorded answers. */
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { testRecordings } from '../support/chat-recordings.ts';

testRecordings('deepseek', {
  folder: 'deepseek/chat',
  quirks: { ...FOLLOWER, reasoningBack: { as: 'reasoning_content', fillEmpty: true } },
});
