/** Alibaba, on recorded answers. */
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { testRecordings } from '../support/chat-recordings.ts';

testRecordings('alibaba', { folder: 'alibaba/main', quirks: FOLLOWER });
