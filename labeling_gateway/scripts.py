"""The store's side of everything that must be seen or changed whole.

Each script runs atomically and reaches the append-only file as one transaction. Time is the store's
own clock. KEYS are the run's queue, leases, totals, asked, labels, in this order; query records are
addressed by the prefix in ARGV[1].

A query's record is one hash: `body`; `seq`, its place in the queue; `fence` and `holder` while it is
leased; `first`, the log offset of the first opinion; `answer:<rater>`, offset and opinion of each
rater's answer.
"""

from __future__ import annotations

_CLOCK = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
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
local totals = redis.call('HMGET', KEYS[3], 'first', 'later')
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('LLEN', KEYS[4]), totals[1], totals[2]}
"""
"""Returns open, leased and asked queries, first and later opinions, all at one moment."""

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
local seq = redis.call('RPUSH', KEYS[4], ARGV[2])
redis.call('HSET', record, 'body', ARGV[3], 'seq', seq)
redis.call('ZADD', KEYS[1], seq, ARGV[2])
return 'asked'
"""
"""ARGV: prefix, id, body, budget, keys of both clips. Returns asked, budget or clips (one is missing)."""

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
# the receipt of the answer that stands. It writes all the same: WAITAOF covers what its own
# connection wrote, and a repetition often comes on a new connection.
ANSWER = (
    _CLOCK
    + """
local record = ARGV[1] .. 'query:' .. ARGV[2]
if redis.call('EXISTS', record) == 0 then return false end
local mine = 'answer:' .. ARGV[3]
local before = redis.call('HGET', record, mine)
local answered = redis.call('HEXISTS', record, 'first') == 1
local holder = redis.call('HGET', record, 'holder')
local deadline = redis.call('ZSCORE', KEYS[2], ARGV[2])
local holds = holder == ARGV[3] and redis.call('HGET', record, 'fence') == ARGV[5]
if before and (answered or not holds) then
  redis.call('HINCRBY', record, 'repeats', 1)
  local offset, opinion = string.match(before, '^(%S+) (%S+)$')
  return {offset, opinion, 1}
end
local elsewhere = deadline and tonumber(deadline) > now and holder ~= ARGV[3]
local opinion = (answered or elsewhere) and 'later' or 'first'
local supersedes = before and string.match(before, '^(%S+) ') or ''
local offset = redis.call('XADD', KEYS[5], '*', 'schema', ARGV[7], 'query', ARGV[2], 'rater', ARGV[3],
  'choice', ARGV[4], 'opinion', opinion, 'fence', ARGV[5], 'answered_at', string.format('%.6f', now),
  'seconds', ARGV[6], 'supersedes', supersedes)
redis.call('HSET', record, mine, offset .. ' ' .. opinion)
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
"""ARGV: prefix, id, rater, choice, fence, seconds, schema. Returns offset, opinion and whether this is
a repetition, or nothing where the query is unknown."""
