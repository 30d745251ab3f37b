"""The store's side of asking and leasing; see `lua`."""

from __future__ import annotations

from labeling_gateway import lua

COUNTS = (
    lua.HEAD
    + """
local sums = redis.call('HMGET', totals, 'first', 'later', 'imported', 'ahead')
return {redis.call('ZCARD', queue), redis.call('ZCARD', leases), redis.call('LLEN', asked),
  sums[1], sums[2], sums[3], redis.call('XLEN', labels), redis.call('ZCARD', later), sums[4]}
"""
)
"""Returns open, leased and asked queries, first, later and imported opinions, labels, queries that lack
later opinions, and queries that were asked ahead of their turn, all at one moment."""

ASK = (
    lua.HEAD
    + """
local record = record_of(ARGV[2])
if redis.call('EXISTS', record) == 1 then
  redis.call('HINCRBY', record, 'asked_again', 1)
  return 'asked'
end
local first = tonumber(redis.call('HGET', totals, 'first') or '0')
if first + redis.call('ZCARD', queue) + redis.call('ZCARD', leases) >= tonumber(ARGV[4]) then
  return 'budget'
end
if redis.call('EXISTS', ARGV[5], ARGV[6]) < 2 then
  return 'clips'
end
local seq = redis.call('RPUSH', asked, ARGV[2]) - tonumber(ARGV[8])
redis.call('HSET', record, 'body', ARGV[3], 'seq', seq)
if tonumber(ARGV[8]) > 0 then redis.call('HINCRBY', totals, 'ahead', 1) end
if tonumber(ARGV[7]) > 1 then redis.call('HSET', record, 'opinions', ARGV[7]) end
redis.call('ZADD', queue, seq, ARGV[2])
return 'asked'
"""
)
"""ARGV: prefix, id, body, budget, keys of both clips, opinions, how many places ahead of its turn it is asked.
Returns asked, budget or clips (one is missing)."""

# Expired leases go back to their own place, so that the oldest questions are answered first.
_EXPIRE = (
    lua.HEAD
    + lua.BESIDE
    + """
local expired = redis.call('ZRANGEBYSCORE', leases, '-inf', after(0), 'LIMIT', 0, 1000)
for _, id in ipairs(expired) do
  redis.call('ZREM', leases, id)
  redis.call('HDEL', record_of(id), 'fence', 'holder')
  redis.call('ZADD', queue, redis.call('HGET', record_of(id), 'seq'), id)
end
local ended = redis.call('ZRANGEBYSCORE', beside, '-inf', after(0), 'LIMIT', 0, 1000)
for _, lease in ipairs(ended) do
  end_beside(string.match(lease, '^(%S+) (.*)$'))
end
"""
)

EXPIRE = _EXPIRE + "return #expired + #ended"
"""Returns how many leases it ended."""

# A rater is never given a question twice, unless all that is open has a late answer of theirs; nor is a
# vendor, whichever of its workers answered: who will answer next is for the vendor to say, and would be paid.
# Nor is a vendor whose worker answered too soon.
#
# A cursor of each rater says up to where `later` and `golds` have nothing for them any more, so that a
# lease looks at each entry once, however many there are.
LEASE = (
    _EXPIRE
    + lua.STANDING
    + """
local rater = ARGV[2]
local deadline = after(ARGV[3])
if (redis.call('HGET', paused, rater) or '') ~= '' then return false end

local function suits(id)
  local _, kind, _, ends = lease_beside(id, rater)
  if ends then return 'not now' end
  local answer, workers, hasty =
    unpack(redis.call('HMGET', record_of(id), 'answer:' .. rater, 'by:' .. rater, 'hasty:' .. rater))
  local offset, opinion = standing(answer)
  if kind == 'gold' or opinion == 'gold' or hasty then return 'never' end
  for worker in string.gmatch(workers or '', '[^\\n]+') do
    offset = offset or standing(redis.call('HGET', record_of(id), 'answer:' .. worker))
  end
  return offset and 'answered' or 'yes'
end

local function suits_as_gold(id)
  local _, kind, _, ends = lease_beside(id, rater)
  local holder, answer = unpack(redis.call('HMGET', record_of(id), 'holder', 'answer:' .. rater))
  if ends or holder == rater then return 'not now' end
  return answer and 'never' or 'yes'
end

local function may_repeat(id)
  return suits(id) == 'answered' and redis.call('HEXISTS', record_of(id), 'repeat:' .. rater) == 0
end

local function first_of(set, cursor, verdict_of)
  local begun = redis.call('HGET', cursors, cursor) or '0'
  local passed, from, waits, found = begun, begun, false, nil
  for _ = 1, 10 do
    local entries = redis.call('ZRANGEBYSCORE', set, '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, 50)
    for i = 1, #entries, 2 do
      local verdict = verdict_of(entries[i])
      if verdict == 'yes' then found = entries[i] break end
      waits = waits or verdict == 'not now'
      from = entries[i + 1]
      if not waits then passed = from end
    end
    if found or #entries < 100 then break end
  end
  if passed ~= begun then redis.call('HSET', cursors, cursor, passed) end
  return found
end

local function in_queue()
  local late = nil
  for _, id in ipairs(redis.call('ZRANGE', queue, 0, 99)) do
    local verdict = suits(id)
    if verdict == 'yes' then return id end
    if verdict == 'answered' then late = late or id end
  end
  return nil, late
end

local open, late = in_queue()
local wanting = first_of(later, 'later:' .. rater, suits)
if open and wanting then
  local seq = tonumber(redis.call('HGET', record_of(wanting), 'seq'))
  if tonumber(redis.call('ZSCORE', queue, open)) < seq then wanting = nil end
end
open = open or late
if not (open or wanting) then return false end

local gold_share, repeat_share = unpack(redis.call('HMGET', control, 'gold_share', 'repeat_share'))
local chance = tonumber(ARGV[4]) - tonumber(gold_share or '0')
if chance < 0 then
  local id = first_of(golds, 'golds:' .. rater, suits_as_gold)
  if id then return begin_beside(id, rater, 'gold', '-', deadline, (lease_beside(id, rater))) end
elseif chance < tonumber(repeat_share or '0') then
  local given = tonumber(redis.call('HGET', cursors, 'answers:' .. rater) or '0')
  local long_ago = given - math.min(tonumber(ARGV[6]), math.floor(given / 2))
  local count = redis.call('ZCOUNT', mine_of(rater), '-inf', long_ago)
  local place = math.floor(tonumber(ARGV[5]) * count)
  local id = given > 1 and redis.call('ZRANGE', mine_of(rater), place, place)[1]
  if id and count > 0 and may_repeat(id) then
    local fence, kind, side = lease_beside(id, rater)
    if kind ~= 'repeat' then
      local offset = standing(redis.call('HGET', record_of(id), 'answer:' .. rater))
      local label = redis.call('XRANGE', labels, offset, offset)[1][2]
      for i = 1, #label, 2 do
        if label[i] == 'flipped' then side = label[i + 1] == '1' and '0' or '1' end
      end
      fence = nil
    end
    return begin_beside(id, rater, 'repeat', side, deadline, fence)
  end
end

if wanting then return begin_beside(wanting, rater, 'later', '-', deadline) end
local fence = redis.call('HINCRBY', totals, 'fence', 1)
redis.call('ZREM', queue, open)
redis.call('HSET', record_of(open), 'fence', fence, 'holder', rater)
redis.call('ZADD', leases, deadline, open)
return {redis.call('HGET', record_of(open), 'body'), fence, deadline, '-'}
"""
)
"""ARGV: prefix, rater, seconds, a chance and a place from 0 to 1 (which kind of question, and which of the
rater's own), and from how many answers ago a repeat should be. Returns body, fence, deadline and side, or
nothing where none is open for this rater."""

RENEW = (
    lua.HEAD
    + lua.BESIDE
    + """
local id, rater, until_then = ARGV[2], ARGV[4], after(ARGV[5])
local holder, held = unpack(redis.call('HMGET', record_of(id), 'holder', 'fence'))
if runs(redis.call('ZSCORE', leases, id)) and holder == rater and held == ARGV[3] then
  redis.call('ZADD', leases, until_then, id)
  return until_then
end
local fence, _, _, ends = lease_beside(id, rater)
if fence == ARGV[3] and runs(ends) then
  redis.call('ZADD', beside, until_then, id .. ' ' .. rater)
  return until_then
end
return false
"""
)
"""ARGV: prefix, id, fence, rater, seconds. Returns the new deadline, or nothing where the lease has ended."""

RELEASE = (
    lua.HEAD
    + lua.BESIDE
    + """
local id, rater = ARGV[2], ARGV[4]
local holder, held = unpack(redis.call('HMGET', record_of(id), 'holder', 'fence'))
if holder == rater and held == ARGV[3] then
  redis.call('ZREM', leases, id)
  redis.call('HDEL', record_of(id), 'fence', 'holder')
  redis.call('ZADD', queue, redis.call('HGET', record_of(id), 'seq'), id)
  return 1
end
return lease_beside(id, rater) == ARGV[3] and end_beside(id, rater) and 1 or 0
"""
)
"""ARGV: prefix, id, fence, rater. Returns whether that lease still held."""

MARK_GOLD = (
    lua.HEAD
    + """
if not redis.call('HGET', record_of(ARGV[2]), 'seq') then return 0 end
redis.call('HSET', record_of(ARGV[2]), 'right', ARGV[3])
redis.call('ZADD', golds, 'NX', redis.call('HINCRBY', totals, 'marked', 1), ARGV[2])
return 1
"""
)
"""ARGV: prefix, id, the right choice. Returns whether there is such a question."""

ALL = [COUNTS, ASK, EXPIRE, LEASE, RENEW, RELEASE, MARK_GOLD]
