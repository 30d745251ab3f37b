"""The store's side of everything that must be seen or changed whole.

Each script runs atomically and reaches the append-only file as one transaction. Time is the store's
own clock. KEYS are the run's queue, leases, totals, asked, labels, in this order; query records are
addressed by the prefix in ARGV[1].

A query's record is one hash: `body`; `seq`, its place in the queue, unless it was imported; `fence` and
`holder` while it is leased; `first`, the log offset of the first opinion that stands. And of each rater:
`answer:<rater>`, the offset of the newest label and its state: an opinion that stands, or undone (by the
rater) or withdrawn (by the owner); `taken:<rater>`, offset and opinion of the answer that was last taken
back, and the newest fence of that moment; `again:<rater>`, fence and deadline of a lease beside the
queue, for whoever takes back an answer to a question that is another's.

Scripts whose effect must be on disk write each time, also where they find all done: WAITAOF covers what
its own connection wrote, and a repetition often comes on a new connection.
"""

from __future__ import annotations

_CLOCK = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
"""

_STANDING = """
local function standing(answer)
  if not answer then return nil end
  local offset, state = string.match(answer, '^(%S+) (%S+)$')
  if state == 'undone' or state == 'withdrawn' then return nil, nil, offset, state end
  return offset, state, offset, state
end
"""
"""standing(answer): offset and opinion if the answer stands, then offset and state of the label."""

# The fence says which answers are older than this: one of them that comes again must not bring back
# what was taken back.
_TAKE_BACK = """
local function take_back(id, rater, offset, opinion, state, schema)
  local record = ARGV[1] .. 'query:' .. id
  local fence = redis.call('HGET', KEYS[3], 'fence') or '0'
  local label = redis.call('XADD', KEYS[5], '*', 'schema', schema, 'query', id, 'rater', rater,
    'choice', 'withdrawn', 'opinion', opinion, 'fence', fence, 'answered_at', string.format('%.6f', now),
    'seconds', '0.0', 'flipped', '0', 'supersedes', offset)
  redis.call('HSET', record, 'answer:' .. rater, label .. ' ' .. state,
    'taken:' .. rater, offset .. ' ' .. opinion .. ' ' .. fence)
  redis.call('HINCRBY', KEYS[3], opinion, -1)
  if opinion == 'first' then redis.call('HDEL', record, 'first') end
end
"""

# Expired leases go back to their own place, so that the oldest questions are answered first.
_EXPIRE = (
    _CLOCK
    + """
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now), 'LIMIT', 0, 1000)
for _, id in ipairs(expired) do
  local record = ARGV[1] .. 'query:' .. id
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', record, 'fence', 'holder')
  redis.call('ZADD', KEYS[1], redis.call('HGET', record, 'seq'), id)
end
"""
)

COUNTS = """
local totals = redis.call('HMGET', KEYS[3], 'first', 'later', 'imported')
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('LLEN', KEYS[4]),
  totals[1], totals[2], totals[3], redis.call('XLEN', KEYS[5])}
"""
"""Returns open, leased and asked queries, first, later and imported opinions, and labels, all at one moment."""

EXPIRE = _EXPIRE + "return #expired"
"""Returns how many leases it ended."""

ASK = """
local record = ARGV[1] .. 'query:' .. ARGV[2]
if redis.call('EXISTS', record) == 1 then
  redis.call('HINCRBY', record, 'asked_again', 1)
  return 'asked'
end
local first = tonumber(redis.call('HGET', KEYS[3], 'first') or '0')
if first + redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then
  return 'budget'
end
if redis.call('EXISTS', ARGV[5], ARGV[6]) < 2 then
  return 'clips'
end
local seq = redis.call('RPUSH', KEYS[4], ARGV[2]) - tonumber(ARGV[7])
redis.call('HSET', record, 'body', ARGV[3], 'seq', seq)
redis.call('ZADD', KEYS[1], seq, ARGV[2])
return 'asked'
"""
"""ARGV: prefix, id, body, budget, keys of both clips, how many places ahead of its turn it is asked.

Returns asked, budget or clips (one is missing).
"""

LEASE = (
    _EXPIRE
    + """
local id = redis.call('ZPOPMIN', KEYS[1])[1]
if not id then return false end
local record = ARGV[1] .. 'query:' .. id
local fence = redis.call('HINCRBY', KEYS[3], 'fence', 1)
local deadline = string.format('%.6f', now + tonumber(ARGV[3]))
redis.call('HSET', record, 'fence', fence, 'holder', ARGV[2])
redis.call('ZADD', KEYS[2], deadline, id)
return {redis.call('HGET', record, 'body'), fence, deadline}
"""
)
"""ARGV: prefix, rater, seconds. Returns body, fence and deadline, or nothing where none is open."""

RENEW = (
    _CLOCK
    + """
local record = ARGV[1] .. 'query:' .. ARGV[2]
local until_then = string.format('%.6f', now + tonumber(ARGV[5]))
local deadline = redis.call('ZSCORE', KEYS[2], ARGV[2])
local lease = redis.call('HMGET', record, 'holder', 'fence', 'again:' .. ARGV[4])
if deadline and tonumber(deadline) > now and lease[1] == ARGV[4] and lease[2] == ARGV[3] then
  redis.call('ZADD', KEYS[2], until_then, ARGV[2])
  return until_then
end
local fence, ends = string.match(lease[3] or '', '^(%S+) (%S+)$')
if fence == ARGV[3] and tonumber(ends) > now then
  redis.call('HSET', record, 'again:' .. ARGV[4], fence .. ' ' .. until_then)
  return until_then
end
return false
"""
)
"""ARGV: prefix, id, fence, rater, seconds. Returns the new deadline, or nothing where the lease has ended."""

RELEASE = """
local record = ARGV[1] .. 'query:' .. ARGV[2]
if redis.call('HGET', record, 'fence') ~= ARGV[3] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('HDEL', record, 'fence', 'holder')
redis.call('ZADD', KEYS[1], redis.call('HGET', record, 'seq'), ARGV[2])
return 1
"""
"""ARGV: prefix, id, fence. Returns whether that lease still held."""

# Whoever answered late while somebody else held the lease may be asked again when that other lets go;
# this second answer then is the first opinion and replaces the late one. Every other repetition gets
# the receipt of the answer that stands, and one of an answer that was taken back gets that one's.
ANSWER = (
    _CLOCK
    + _STANDING
    + """
local record = ARGV[1] .. 'query:' .. ARGV[2]
if not redis.call('HGET', record, 'seq') then return false end
local mine = 'answer:' .. ARGV[3]
local before, opinion_before, newest = standing(redis.call('HGET', record, mine))
local answered = redis.call('HEXISTS', record, 'first') == 1
local holder = redis.call('HGET', record, 'holder')
local deadline = redis.call('ZSCORE', KEYS[2], ARGV[2])
local holds = holder == ARGV[3] and redis.call('HGET', record, 'fence') == ARGV[5]
if before and (answered or not holds) then
  redis.call('HINCRBY', record, 'repeats', 1)
  return {before, opinion_before, 1}
end
local taken = redis.call('HGET', record, 'taken:' .. ARGV[3])
if taken and not (before or holds) then
  local offset, opinion, fence = string.match(taken, '^(%S+) (%S+) (%S+)$')
  if tonumber(ARGV[5]) <= tonumber(fence) then
    redis.call('HINCRBY', record, 'repeats', 1)
    return {offset, opinion, 1}
  end
end
local elsewhere = deadline and tonumber(deadline) > now and holder ~= ARGV[3]
local opinion = (answered or elsewhere) and 'later' or 'first'
local offset = redis.call('XADD', KEYS[5], '*', 'schema', ARGV[7], 'query', ARGV[2], 'rater', ARGV[3],
  'choice', ARGV[4], 'opinion', opinion, 'fence', ARGV[5], 'answered_at', string.format('%.6f', now),
  'seconds', ARGV[6], 'flipped', ARGV[8], 'supersedes', newest or '')
if before then redis.call('HINCRBY', KEYS[3], opinion_before, -1) end
redis.call('HSET', record, mine, offset .. ' ' .. opinion)
redis.call('HDEL', record, 'again:' .. ARGV[3])
redis.call('HINCRBY', KEYS[3], opinion, 1)
if opinion == 'first' then
  redis.call('HSET', record, 'first', offset)
  redis.call('HDEL', record, 'fence', 'holder')
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return {offset, opinion, 0}
"""
)
"""ARGV: prefix, id, rater, choice, fence, seconds, schema, flipped as 0 or 1. Returns offset, opinion and
whether this is a repetition, or nothing where no such query was asked."""

# The lease goes to the rater who takes an answer back, unless the question is another's meanwhile: then
# the rater may answer it again beside the queue. Whoever asks again gets the same lease while it lasts.
UNDO = (
    _CLOCK
    + _STANDING
    + _TAKE_BACK
    + """
local record = ARGV[1] .. 'query:' .. ARGV[2]
local rater = ARGV[3]
local offset, opinion, _, state = standing(redis.call('HGET', record, 'answer:' .. rater))
if not redis.call('HGET', record, 'seq') or not (offset or state == 'undone') then return false end
if offset then
  take_back(ARGV[2], rater, offset, opinion, 'undone', ARGV[5])
else
  redis.call('HINCRBY', record, 'repeats', 1)
end
local body = redis.call('HGET', record, 'body')
local until_then = string.format('%.6f', now + tonumber(ARGV[4]))
local deadline = redis.call('ZSCORE', KEYS[2], ARGV[2])
local leased = deadline and tonumber(deadline) > now
if leased and redis.call('HGET', record, 'holder') == rater then
  return {body, tonumber(redis.call('HGET', record, 'fence')), deadline}
end
if leased or redis.call('HEXISTS', record, 'first') == 1 then
  local fence, ends = string.match(redis.call('HGET', record, 'again:' .. rater) or '', '^(%S+) (%S+)$')
  if fence and tonumber(ends) > now then return {body, tonumber(fence), ends} end
  fence = redis.call('HINCRBY', KEYS[3], 'fence', 1)
  redis.call('HSET', record, 'again:' .. rater, fence .. ' ' .. until_then)
  return {body, fence, until_then}
end
local fence = redis.call('HINCRBY', KEYS[3], 'fence', 1)
redis.call('HSET', record, 'fence', fence, 'holder', rater)
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], until_then, ARGV[2])
return {body, fence, until_then}
"""
)
"""ARGV: prefix, id, rater, seconds, schema. Returns body, fence and deadline of the rater's lease, or
nothing where the rater has no answer that stands."""

WITHDRAW = (
    _CLOCK
    + _STANDING
    + _TAKE_BACK
    + """
local record = ARGV[1] .. 'query:' .. ARGV[2]
local offset, opinion = standing(redis.call('HGET', record, 'answer:' .. ARGV[3]))
if not offset then
  redis.call('HINCRBY', record, 'repeats', 1)
  return 0
end
take_back(ARGV[2], ARGV[3], offset, opinion, 'withdrawn', ARGV[4])
if opinion == 'first' then
  redis.call('ZADD', KEYS[1], redis.call('HGET', record, 'seq'), ARGV[2])
end
return 1
"""
)
"""ARGV: prefix, id, rater, schema. Returns whether there was an answer to take back."""

IMPORT = """
local record = ARGV[1] .. 'query:' .. ARGV[2]
local mine = 'answer:' .. ARGV[4]
if redis.call('HEXISTS', record, mine) == 1 then
  redis.call('HINCRBY', record, 'repeats', 1)
  return 0
end
local offset = redis.call('XADD', KEYS[5], '*', 'schema', ARGV[5], 'query', ARGV[2], 'rater', ARGV[4],
  'choice', ARGV[6], 'opinion', 'imported', 'fence', '0', 'answered_at', ARGV[7],
  'seconds', ARGV[8], 'flipped', ARGV[9], 'supersedes', '')
redis.call('HSET', record, 'body', ARGV[3], mine, offset .. ' imported')
redis.call('HINCRBY', KEYS[3], 'imported', 1)
return 1
"""
"""ARGV: prefix, id, body, rater, schema, choice, answered_at, seconds, flipped as 0 or 1. Returns whether
the answer is new."""

ALL = [COUNTS, EXPIRE, ASK, LEASE, RENEW, RELEASE, ANSWER, UNDO, WITHDRAW, IMPORT]
