/** Moonshot, on recorded answers. */
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { testRecordings } from '../support/chat-recordings.ts';

testRecordings('moonshotai', { folder: 'moonshotai/main', quirks: { ...FOLLOWER, reasoningBack: { as: 'reasoning_content' } } });
