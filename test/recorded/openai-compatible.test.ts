/** Recorded answers of a server that calls itself compatible, with no deviations named. */
import { testRecordings } from '../support/chat-recordings.ts';

testRecordings('openai-compatible', { folder: 'openai-compatible/chat', quirks: {} });
