/**
 * Models whose weights are open, by their makers. Limits are the makers' own and hold at the makers' own place only.
 * Notation and sources: `table.ts`.
 */
import type { Family } from './table.ts';

export const OPEN_MODELS: readonly Family[] = [
  {
    ownedBy: 'meta',
    limitsAt: ['bedrock'],
    models: [
      ['llama-3-8b llama-3-70b', 8_192, 2_048, ''],
      ['llama-3-1-8b llama-3-1-8b-instant llama-3-1-70b llama-3-1-405b', 128_000, 4_096, 'T'],
      ['llama-3-2-1b llama-3-2-3b', 128_000, 4_096, 'T'],
      ['llama-3-2-11b llama-3-2-90b llama-3-2-11b-vision llama-3-2-90b-vision', 128_000, 4_096, 'TI'],
      ['llama-3-3-70b llama-3-3', 128_000, 4_096, 'T'],
      ['llama-4-maverick-17b llama-4-maverick-17b-128e llama-4-maverick', 1_000_000, 8_192, 'TI'],
      ['llama-4-scout-17b llama-4-scout-17b-16e llama-4-scout', 0, 8_192, 'TI'],
    ],
  },
  {
    ownedBy: 'deepseek',
    limitsAt: ['deepseek'],
    models: [
      ['deepseek-v3 deepseek-v3-0324', 0, 0, 'T'],
      ['deepseek-v3-1 deepseek-v3-1-terminus deepseek-v3-2', 0, 0, 'TR'],
      ['deepseek-r1 deepseek-r1-0528', 0, 0, 'TR'],
      ['deepseek-chat', 131_072, 8_192, 'T'],
      ['deepseek-reasoner', 131_072, 65_536, 'R'],
      ['deepseek-v4-pro', 1_000_000, 393_216, 'TR'],
      ['deepseek-v4-flash deepseek-flash deepseek-v4-1-flash deepseek-v4-flash-vision', 1_000_000, 393_216, 'TRI'],
      ['deepseek-v4-flash-0731', 1_000_000, 393_216, 'TR'],
    ],
  },
  {
    ownedBy: 'alibaba',
    limitsAt: ['alibaba'],
    models: [
      ['qwen2-5-7b qwen2-5-14b qwen2-5-32b qwen2-5-72b qwen2-5-coder-32b qwen2-5-coder-7b', 0, 0, 'T'],
      ['qwen2-5-vl-7b qwen2-5-vl-32b qwen2-5-vl-72b', 0, 0, 'I'],
      ['qwq-32b', 0, 0, 'TR'],
      ['qwen3-0-6b qwen3-1-7b qwen3-4b qwen3-8b qwen3-14b qwen3-32b qwen3-30b-a3b qwen3-235b-a22b', 0, 0, 'TR'],
      ['qwen3-235b-a22b-instruct-2507 qwen3-30b-a3b-instruct-2507 qwen3-next-80b-a3b', 0, 0, 'T'],
      ['qwen3-235b-a22b-thinking-2507 qwen3-30b-a3b-thinking-2507 qwen3-next-80b-a3b-thinking', 0, 0, 'TR'],
      ['qwen3-coder-480b-a35b qwen3-coder-30b-a3b qwen3-coder-next qwen3-coder', 0, 0, 'T'],
      ['qwen3-vl-235b-a22b qwen3-vl-32b qwen3-vl-30b-a3b qwen3-vl-8b', 131_072, 32_768, 'TI'],
      ['qwen3-vl-235b-a22b-thinking qwen3-vl-32b-thinking', 131_072, 32_768, 'TRI'],
      ['qwen3-5-9b qwen3-5-27b qwen3-5-35b-a3b qwen3-5-122b-a10b qwen3-5-397b-a17b', 0, 0, 'TRI'],
      ['qwen3-6-27b qwen3-6-35b-a3b qwen3-8-27b', 0, 0, 'TRI'],
      ['qwen3-8-2-4t-a95b', 0, 0, 'TR'],
    ],
  },
  {
    ownedBy: 'moonshotai',
    limitsAt: ['moonshot'],
    models: [
      ['kimi-k2 kimi-k2-0711 kimi-k2-0905 kimi-k2-turbo', 262_144, 0, 'T'],
      ['kimi-k2-thinking kimi-k2-thinking-turbo', 262_144, 262_144, 'TR'],
      ['kimi-k2-5 kimi-k2-6 kimi-k2-7-code kimi-k2-7-code-highspeed', 262_144, 262_144, 'TRIV'],
      ['kimi-k3', 1_048_576, 131_072, 'TRIV'],
    ],
  },
  {
    ownedBy: 'zhipu',
    limitsAt: ['zhipu'],
    models: [
      ['glm-4-5 glm-4-5-air glm-4-5-flash glm-4-5-x glm-4-5-airx', 131_072, 98_304, 'TR'],
      ['glm-4-5v', 65_536, 16_384, 'TRIV'],
      ['glm-4-6 glm-4-7', 204_800, 131_072, 'TR'],
      ['glm-4-6v glm-4-6v-flash', 131_072, 32_768, 'TRIV'],
      ['glm-4-7-flash glm-4-7-flashx glm-5 glm-5-turbo glm-5-1', 200_000, 131_072, 'TR'],
      ['glm-5v-turbo', 200_000, 131_072, 'TRIV'],
      ['glm-5-2 glm-5-3', 1_000_000, 131_072, 'TR'],
      ['glm-5-3-flash glm-5-3-flashx', 1_000_000, 131_072, 'TRI'],
    ],
  },
  {
    ownedBy: 'minimax',
    limitsAt: ['minimax'],
    models: [
      ['minimax-m2 minimax-m2-1 minimax-m2-5 minimax-m2-5-highspeed minimax-m2-5-lightning', 204_800, 131_072, 'TR'],
      ['minimax-m2-7 minimax-m2-7-highspeed', 204_800, 131_072, 'TR'],
      ['minimax-m3', 1_000_000, 128_000, 'TRI'],
    ],
  },
  {
    ownedBy: 'nvidia',
    limitsAt: [],
    models: [
      ['nemotron-3-ultra nemotron-3-ultra-550b-a55b nemotron-3-super nemotron-3-super-120b-a12b nemotron-super-3-120b', 0, 0, 'TR'],
      ['nemotron-3-nano-30b-a3b nemotron-nano-3-30b nemotron-nano-9b-v2', 0, 0, 'TR'],
    ],
  },
];
