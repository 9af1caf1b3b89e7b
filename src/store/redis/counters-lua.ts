/**
 * The scripts that count. A script is one step to Redis: nothing else runs between its first look and its last change.
 *
 * Keys: every counter is a hash; `<base>lease` is a sorted set of processes by the end of their lease; `<base>held:<process>`
 * has the holds of a process, `<base>done:<hold>` remembers one that was settled. `<base>lost:<process>` has the holds that were not
 * settled when the lease ended, `<base>told:<process>:<n>` those that were never held here and are settled all the same.
 * - budgets: `spent` and `held` as decimal texts that HINCRBY adds to in 64 bits (Lua's numbers end at 2^53, nine million
 *   dollars; 64 bits at nine thousand million), compared as whole dollars and nano-dollars; `born`: when reading its records began.
 * - places: `held`.
 * - rates: the log of rate-window.ts: `s` its sum, entries `h` to `t`-1 as `first last amount`. Their numbers begin at the
 *   time and grow at most by one a millisecond: a log that expired and began anew never has a number again.
 */
import { SLOTS } from '../../gateway/rate-window.ts';

/** Counters that nobody touches go; budgets are read from the records again. */
const IDLE_MS = 7 * 86_400_000;
/** What is said of processes stays as long as the journal of one that died may wait to be taken over. */
const HEIR_MS = 90 * 86_400_000;

const COMMON = `
local function clock(given)
  local now = tonumber(given)
  if now then return now end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function whole(x) return string.format('%.0f', x) end

local function split(text)
  if #text <= 9 then return 0, tonumber(text) end
  return tonumber(text:sub(1, -10)), tonumber(text:sub(-9))
end
-- a + b + c <= limit; none is below 0
local function within(a, b, c, limit)
  local ad, an = split(a)
  local bd, bn = split(b)
  local cd, cn = split(c)
  local ld, ln = split(limit)
  local nanos = an + bn + cn
  local dollars = ad + bd + cd + math.floor(nanos / 1e9)
  return dollars < ld or (dollars == ld and nanos % 1e9 <= ln)
end

local function entry(key, index)
  local text = redis.call('HGET', key, whole(index))
  if not text then return 0, 0, 0 end
  local f, l, a = text:match('^(%S+) (%S+) (%S+)$')
  return tonumber(f), tonumber(l), tonumber(a)
end
local function put(key, index, f, l, a)
  redis.call('HSET', key, whole(index), whole(f) .. ' ' .. whole(l) .. ' ' .. whole(a))
end
local function window(key, ms, now)
  local v = redis.call('HMGET', key, 's', 'h', 't')
  if not v[2] then return { s = 0, h = now, t = now } end
  local w = { s = tonumber(v[1]), h = tonumber(v[2]), t = tonumber(v[3]) }
  local before = w.h
  while w.h < w.t do
    local _, l, a = entry(key, w.h)
    if l + ms > now then break end
    redis.call('HDEL', key, whole(w.h))
    w.s = w.s - a
    w.h = w.h + 1
  end
  if w.h ~= before then redis.call('HSET', key, 's', whole(w.s), 'h', whole(w.h)) end
  return w
end
local function add(key, w, ms, now, amount)
  if amount == 0 then return -1 end
  local f, l, a, index = now, now, 0, w.t
  if w.t > w.h then
    local nf, nl, na = entry(key, w.t - 1)
    if nl >= now or (w.t - w.h >= ${SLOTS} and now - nf < ms / ${SLOTS}) then
      f, l, a, index = nf, math.max(nl, now), na, w.t - 1
    end
  end
  put(key, index, f, l, a + amount)
  w.s = w.s + amount
  w.t = index + 1
  redis.call('HSET', key, 's', whole(w.s), 'h', whole(w.h), 't', whole(w.t))
  redis.call('PEXPIRE', key, whole(ms * 2 + 1000))
  return index
end
local function give_back(key, index, amount)
  local f, l, a = entry(key, index)
  local back = math.min(a, amount)
  if back <= 0 then return end
  put(key, index, f, l, a - back)
  redis.call('HINCRBY', key, 's', whole(-back))
end

-- what a hold has of budgets and places; a counter that was lost meanwhile owes nothing
local function release(item)
  if item.n == '0' then return end
  if item.k == 'b' then
    if redis.call('HGET', item.key, 'born') == item.born then redis.call('HINCRBY', item.key, 'held', '-' .. item.n) end
  elseif item.k == 'c' then
    if redis.call('HINCRBY', item.key, 'held', '-' .. item.n) <= 0 then redis.call('DEL', item.key) end
  end
end
-- a process is dead, or long not heard of: what it held is free
local function let_go(lease, base, process)
  local key, lost = base .. 'held:' .. process, base .. 'lost:' .. process
  local all = redis.call('HGETALL', key)
  for i = 2, #all, 2 do
    local money = false
    for _, item in ipairs(cjson.decode(all[i])) do
      release(item)
      money = money or item.k == 'b'
    end
    if money then redis.call('HSET', lost, all[i - 1], '1') end
  end
  redis.call('PEXPIRE', lost, ${HEIR_MS})
  redis.call('DEL', key)
  redis.call('ZREM', lease, process)
end
local function sweep(lease, base, now)
  local dead = redis.call('ZRANGEBYSCORE', lease, '-inf', whole(now), 'LIMIT', 0, 2)
  for _, process in ipairs(dead) do let_go(lease, base, process) end
end
`;

/**
 * KEYS: lease, holds of the process, done, counters …
 * ARGV: now or '', base, process, leaseMs, hold ('': only look); for each counter its kind, limit, amount (of rates with what others
 * come for before, where they do: `1+20`), windowMs.
 * → ['taken' | 'refused', now, then for each: misfit (1), spent|held|sum, held|0|resetMs, 0|0|waitMs (with others: and turnMs, '' for never)]
 * | ['unknown', now, numbers of the budgets …] | ['again']
 */
export const TAKE = `${COMMON}
local now = clock(ARGV[1])
local base, process, hold = ARGV[2], ARGV[3], ARGV[5]
-- this one lives, however late it is
redis.call('ZADD', KEYS[1], 'XX', whole(now + tonumber(ARGV[4])), process)
sweep(KEYS[1], base, now)
if hold ~= '' and (redis.call('EXISTS', KEYS[3]) == 1 or redis.call('HEXISTS', KEYS[2], hold) == 1) then return { 'again' } end
local counters, unknown, fits = {}, {}, true
for i = 4, #KEYS do
  local at = 6 + (i - 4) * 4
  local c = { key = KEYS[i], kind = ARGV[at], limit = ARGV[at + 1], n = ARGV[at + 2], ms = tonumber(ARGV[at + 3]) }
  local plus = c.n:find('+', 1, true)
  if plus then c.n, c.ahead = c.n:sub(1, plus - 1), tonumber(c.n:sub(plus + 1)) end
  local amount = tonumber(c.n)
  if c.kind == 'b' then
    local v = redis.call('HMGET', c.key, 'spent', 'held', 'born')
    if not v[3] then
      unknown[#unknown + 1] = i - 4
    else
      c.spent, c.held, c.born = v[1], v[2], v[3]
      c.misfit = amount > 0 and not within(c.spent, c.held, c.n, c.limit)
    end
  elseif c.kind == 'c' then
    c.held = tonumber(redis.call('HGET', c.key, 'held') or 0)
    c.misfit = amount > 0 and c.held + amount > tonumber(c.limit)
  else
    c.w = window(c.key, c.ms, now)
    c.misfit = amount > 0 and c.w.s + amount > tonumber(c.limit)
  end
  if c.misfit then fits = false end
  counters[#counters + 1] = c
end
if #unknown > 0 then return { 'unknown', whole(now), unpack(unknown) } end
if fits and hold ~= '' then
  local items = {}
  for i, c in ipairs(counters) do
    local item = { k = c.kind, key = c.key, n = c.n }
    if c.kind == 'b' then
      item.born = c.born
      redis.call('HINCRBY', c.key, 'held', c.n)
      redis.call('PEXPIRE', c.key, ${IDLE_MS})
      c.held = redis.call('HGET', c.key, 'held')
    elseif c.kind == 'c' then
      c.held = redis.call('HINCRBY', c.key, 'held', c.n)
      redis.call('PEXPIRE', c.key, ${IDLE_MS})
    else
      item.at = whole(add(c.key, c.w, c.ms, now, tonumber(c.n)))
    end
    items[i] = item
  end
  redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[4])), process)
  redis.call('HSET', KEYS[2], hold, cjson.encode(items))
  redis.call('PEXPIRE', KEYS[1], ${HEIR_MS})
  redis.call('PEXPIRE', KEYS[2], ${HEIR_MS})
end
local reply = { fits and 'taken' or 'refused', whole(now) }
for _, c in ipairs(counters) do
  local a, b, d = c.spent or c.held, c.spent and c.held or 0, 0
  if c.w then
    a, b = whole(c.w.s), 0
    if c.w.s > 0 then
      local _, l = entry(c.key, c.w.t - 1)
      b = math.max(0, l + c.ms - now)
    end
    if c.misfit then
      local excess, freed = c.w.s + tonumber(c.n) - tonumber(c.limit), 0
      local all, turn = excess + (c.ahead or 0), ''
      local wait
      for index = c.w.h, c.w.t - 1 do
        local _, l, n = entry(c.key, index)
        freed = freed + n
        if freed >= excess and not wait then wait = l + c.ms - now end
        if freed >= all then
          turn = whole(l + c.ms - now)
          break
        end
      end
      d = wait or c.ms
      if c.ahead then d = whole(d) .. ' ' .. turn end
    end
  end
  reply[#reply + 1] = c.misfit and '1' or '0'
  reply[#reply + 1] = type(a) == 'number' and whole(a) or a
  reply[#reply + 1] = type(b) == 'number' and whole(b) or b
  reply[#reply + 1] = type(d) == 'number' and whole(d) or d
end
return reply`;

/**
 * KEYS: holds of the process, lost ones of it, done, told, counters …
 * ARGV: now or '', hold, rememberMs, at (when it was settled; '': now), 'skip' (budgets that are not known are left) or
 * '', 'heir' (only if the process has not done so) or '', held ('1': here; '': elsewhere), number of holds to be told, those;
 * for each counter its kind, amount, windowMs.
 * → ['settled' | 'again', now] | ['unknown', now, numbers of the budgets …]
 */
export const SETTLE = `${COMMON}
local now = clock(ARGV[1])
local hold, at = ARGV[2], tonumber(ARGV[4])
if redis.call('EXISTS', KEYS[3]) == 1 then return { 'again', whole(now) } end
local text = redis.call('HGET', KEYS[1], hold)
if ARGV[6] == 'heir' then
  local done
  -- what is held here is settled when it is held no more
  if ARGV[7] == '1' then done = not text and redis.call('HEXISTS', KEYS[2], hold) == 0
  else done = redis.call('HEXISTS', KEYS[4], hold) == 1 end
  if done then return { 'again', whole(now) } end
end
local tell = tonumber(ARGV[8])
local used, of, unknown = {}, {}, {}
for i = 5, #KEYS do
  local from = 9 + tell + (i - 5) * 3
  local c = { key = KEYS[i], kind = ARGV[from], n = ARGV[from + 1], ms = tonumber(ARGV[from + 2]) }
  if c.kind == 'b' then
    c.born = redis.call('HGET', c.key, 'born')
    if not c.born then unknown[#unknown + 1] = i - 5 end
  end
  used[#used + 1] = c
  of[c.key] = c
end
if #unknown > 0 and ARGV[5] ~= 'skip' then return { 'unknown', whole(now), unpack(unknown) } end
if text then redis.call('HDEL', KEYS[1], hold) else redis.call('HDEL', KEYS[2], hold) end
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
for i = 9, 8 + tell do redis.call('HSET', KEYS[4], ARGV[i], '1') end
if tell > 0 then redis.call('PEXPIRE', KEYS[4], ${HEIR_MS}) end
for _, item in ipairs(text and cjson.decode(text) or {}) do
  release(item)
  local c = item.k == 'r' and of[item.key]
  if c then
    c.taken = tonumber(item.n)
    local more = tonumber(c.n) - c.taken
    if more < 0 then give_back(c.key, item.at, -more) end
  end
end
for _, c in ipairs(used) do
  if c.kind == 'b' and c.born and (not at or tonumber(c.born) <= at) then
    redis.call('HINCRBY', c.key, 'spent', c.n)
    redis.call('PEXPIRE', c.key, ${IDLE_MS})
  elseif c.kind == 'r' and text then
    local more = tonumber(c.n) - (c.taken or 0)
    if more > 0 then add(c.key, window(c.key, c.ms, now), c.ms, now, more) end
  end
end
return { 'settled', whole(now) }`;

/** KEYS: counter, its claim. ARGV: now or '', token, ttlMs. → ['known' | 'claimed' | 'other', now] */
export const CLAIM = `${COMMON}
local now = clock(ARGV[1])
if redis.call('HEXISTS', KEYS[1], 'born') == 1 then return { 'known', whole(now) } end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return { 'claimed', whole(now) } end
return { 'other', whole(now) }`;

/** KEYS: counter, its claim. ARGV: token, spent ('': it cannot be read), born. Does nothing where the claim is another's by now. */
export const PLANT = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[2] == '' or redis.call('HEXISTS', KEYS[1], 'born') == 1 then return 0 end
redis.call('HSET', KEYS[1], 'spent', ARGV[2], 'held', '0', 'born', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ${IDLE_MS})
return 1`;

/** KEYS: lease. ARGV: now or '', base, process, leaseMs (0: it ends). → [processes alive, now] */
export const BEAT = `${COMMON}
local now = clock(ARGV[1])
redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[4])), ARGV[3])
redis.call('PEXPIRE', KEYS[1], ${HEIR_MS})
sweep(KEYS[1], ARGV[2], now)
return { redis.call('ZCARD', KEYS[1]), whole(now) }`;

/** KEYS: lease, lost holds of a process. ARGV: base, process. It is dead, and what it had spent is charged. */
export const FORGET = `${COMMON}
let_go(KEYS[1], ARGV[1], ARGV[2])
redis.call('DEL', KEYS[2])
return 1`;
