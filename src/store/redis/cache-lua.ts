/**
 * Keeps an answer, within a bound for all of them: the counters, which must not be lost, are in the same Redis.
 *
 * Keys: an answer is a text with an end; the index is a sorted set of `<cost> <name>` by that end, and of `bytes`, whose score is the
 * cost of all, below zero. Reading is a plain GET: what goes first, where room is wanted, is what ends first.
 * Redis may have thrown away an answer by itself; then the index goes on to count it until its end.
 */

/** Of an answer beside its own bytes: two names, and places in two lists. 428 bytes as measured. */
const OVERHEAD = 512;
/** Entries that one call clears away, so that no call of others waits for long. */
const MOST_CLEARED = 500;

/** KEYS: the answer, the index. ARGV: its name, what stands before all names, milliseconds to live, bytes of room, the text. Gives 1 where it is kept. */
export const KEEP = `
local name, base, lives, room, text = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local key, index = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- the first change: a Redis that is full refuses this one, but would refuse no other that comes after one which takes no memory
local used = -tonumber(redis.call('ZINCRBY', index, 0, 'bytes'))

local function entry(cost, of) return string.format('%.0f', cost) .. ' ' .. of end
local function drop(member)
  if redis.call('ZREM', index, member) == 1 then used = used - tonumber(member:match('^%d+')) end
end

-- those whose end has come are gone by themselves
for _, member in ipairs(redis.call('ZRANGEBYSCORE', index, '(0', now, 'LIMIT', 0, ${MOST_CLEARED})) do drop(member) end
local size = redis.pcall('STRLEN', key)
if type(size) == 'number' and size > 0 then drop(entry(size + ${OVERHEAD}, name)) end
redis.call('DEL', key)

local cost = #text + ${OVERHEAD}
if used + cost > room then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', index, '(0', '+inf', 'LIMIT', 0, ${MOST_CLEARED})) do
    if used + cost <= room then break end
    drop(member)
    redis.call('UNLINK', base .. member:match('^%d+ (.*)$'))
  end
end
local kept = 0
if used + cost <= room then
  redis.call('SET', key, text, 'PX', lives)
  redis.call('ZADD', index, now + lives, entry(cost, name))
  used = used + cost
  kept = 1
end
redis.call('ZADD', index, -used, 'bytes')
redis.call('PEXPIRE', index, math.max(lives, redis.call('PTTL', index)))
return kept
`;
