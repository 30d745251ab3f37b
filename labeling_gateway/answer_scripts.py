"""The store's side of answering, and of taking answers back; see `lua`."""

from __future__ import annotations

from labeling_gateway import lua

# Whoever answered late while somebody else held the lease may be asked again when that other lets go;
# this second answer then is the first opinion and replaces the late one. Every other repetition gets
# the receipt of the answer that stands, and one of an answer that was taken back gets that one's.
ANSWER = (
    lua.HEAD
    + lua.STANDING
    + lua.BESIDE
    + """
local id, rater, fence, leased_to = ARGV[2], ARGV[3], ARGV[5], ARGV[9]
local record = record_of(id)
if not redis.call('HGET', record, 'seq') then return false end
local fence_beside, kind = lease_beside(id, leased_to)
if fence_beside ~= fence then kind = nil end
local mine, taken = fields_of(kind, rater)
local before, opinion_before, newest = standing(redis.call('HGET', record, mine))
local answered = redis.call('HEXISTS', record, 'first') == 1
local holder = redis.call('HGET', record, 'holder')
local holds = holder == leased_to and redis.call('HGET', record, 'fence') == fence
if before and (kind or answered or not holds) then
  redis.call('HINCRBY', record, 'repeats', 1)
  if leased_to ~= rater then end_beside(id, leased_to) end
  return {before, opinion_before, 1}
end
local back = redis.call('HGET', record, taken)
if back and not (before or holds) then
  local offset, opinion, newest_fence = string.match(back, '^(%S+) (%S+) (%S+)$')
  if tonumber(fence) <= tonumber(newest_fence) then
    redis.call('HINCRBY', record, 'repeats', 1)
    return {offset, opinion, 1}
  end
end
local minimum = redis.call('HGET', control, 'minimum_seconds')
if minimum and tonumber(ARGV[6]) < tonumber(minimum) then
  if leased_to ~= rater then redis.call('HSET', record, 'hasty:' .. leased_to, rater) end
  return minimum
end

local opinion = kind
if not kind or kind == 'later' then
  local elsewhere = runs(redis.call('ZSCORE', leases, id)) and holder ~= leased_to
  opinion = (answered or elsewhere) and 'later' or 'first'
end
local offset = redis.call('XADD', labels, '*', 'schema', ARGV[7], 'query', id, 'rater', rater,
  'choice', ARGV[4], 'opinion', opinion, 'fence', fence, 'answered_at', string.format('%.6f', now),
  'seconds', ARGV[6], 'flipped', ARGV[8], 'supersedes', newest or '')
if before then redis.call('HINCRBY', totals, opinion_before, -1) end
redis.call('HSET', record, mine, offset .. ' ' .. opinion)
if leased_to ~= rater then
  local workers = redis.call('HGET', record, 'by:' .. leased_to) or ''
  redis.call('HSET', record, 'by:' .. leased_to, workers .. rater .. '\\n')
end
redis.call('HINCRBY', totals, opinion, 1)
if opinion == 'first' then
  redis.call('HSET', record, 'first', offset)
  redis.call('HDEL', record, 'fence', 'holder')
  redis.call('ZREM', queue, id)
  redis.call('ZREM', leases, id)
end
if opinion == 'first' or opinion == 'later' then
  if not before then redis.call('HINCRBY', record, 'answers', 1) end
  redis.call('ZADD', mine_of(rater), redis.call('HINCRBY', cursors, 'answers:' .. rater, 1), id)
elseif opinion == 'repeat' then
  redis.call('ZREM', mine_of(rater), id)
end
end_beside(id, leased_to)
seek_later(id)
return {offset, opinion, 0}
"""
)
"""ARGV: prefix, id, rater, choice, fence, seconds, schema, flipped as 0 or 1, whose lease it is. Returns offset,
opinion and whether this is a repetition; or nothing where no such query was asked; or, as a string, how many seconds
it must be looked at where these were fewer."""

# The lease goes to the rater who takes an answer back, unless the question is another's meanwhile: then
# the rater may answer it again beside the queue. Whoever asks again gets the same lease while it lasts.
# Of a question that was answered and then repeated, the repeat is the newer answer.
UNDO = (
    lua.HEAD
    + lua.STANDING
    + lua.BESIDE
    + lua.TAKE_BACK
    + """
local id, rater = ARGV[2], ARGV[3]
local record = record_of(id)
local _, _, _, repeated = standing(redis.call('HGET', record, 'repeat:' .. rater))
local mine, taken = fields_of(repeated and repeated ~= 'withdrawn' and 'repeat', rater)
local offset, opinion, _, state = standing(redis.call('HGET', record, mine))
if not redis.call('HGET', record, 'seq') or not (offset or state == 'undone') then return false end
if ARGV[6] ~= '' then
  local named = offset or string.match(redis.call('HGET', record, taken), '^%S+')
  if named ~= ARGV[6] then return false end
end
if offset then
  take_back(id, rater, offset, opinion, 'undone', ARGV[5])
else
  redis.call('HINCRBY', record, 'repeats', 1)
  opinion = string.match(redis.call('HGET', record, taken), '^%S+ (%S+)')
end
local body = redis.call('HGET', record, 'body')
local until_then = after(ARGV[4])
local kind = opinion
if opinion == 'first' or opinion == 'later' then
  local deadline = redis.call('ZSCORE', leases, id)
  if runs(deadline) and redis.call('HGET', record, 'holder') == rater then
    return {body, tonumber(redis.call('HGET', record, 'fence')), deadline, '-'}
  end
  if not runs(deadline) and redis.call('HEXISTS', record, 'first') == 0 then
    local fence = redis.call('HINCRBY', totals, 'fence', 1)
    redis.call('HSET', record, 'fence', fence, 'holder', rater)
    redis.call('ZREM', queue, id)
    redis.call('ZADD', leases, until_then, id)
    return {body, fence, until_then, '-'}
  end
  kind = 'later'
end
local fence, held, side, ends = lease_beside(id, rater)
if held == kind and runs(ends) then return {body, tonumber(fence), ends, side} end
return begin_beside(id, rater, kind, held == kind and side or '-', until_then)
"""
)
"""ARGV: prefix, id, rater, seconds, schema, offset of the answer or ''. Returns body, fence, deadline and side
of the rater's lease, or nothing where the rater has no such answer, or has given another since."""

WITHDRAW = (
    lua.HEAD
    + lua.STANDING
    + lua.BESIDE
    + lua.TAKE_BACK
    + """
local id, rater = ARGV[2], ARGV[3]
local offset, opinion = standing(redis.call('HGET', record_of(id), (fields_of(ARGV[5], rater))))
if not offset then
  redis.call('HINCRBY', record_of(id), 'repeats', 1)
  return 0
end
take_back(id, rater, offset, opinion, 'withdrawn', ARGV[4])
if opinion == 'first' then
  redis.call('ZADD', queue, redis.call('HGET', record_of(id), 'seq'), id)
end
return 1
"""
)
"""ARGV: prefix, id, rater, schema, opinion. Returns whether there was an answer to take back."""

IMPORT = (
    lua.HEAD
    + """
local record = record_of(ARGV[2])
local mine = 'answer:' .. ARGV[4]
if redis.call('HEXISTS', record, mine) == 1 then
  redis.call('HINCRBY', record, 'repeats', 1)
  return 0
end
local offset = redis.call('XADD', labels, '*', 'schema', ARGV[5], 'query', ARGV[2], 'rater', ARGV[4],
  'choice', ARGV[6], 'opinion', 'imported', 'fence', '0', 'answered_at', ARGV[7],
  'seconds', ARGV[8], 'flipped', ARGV[9], 'supersedes', '')
redis.call('HSET', record, 'body', ARGV[3], mine, offset .. ' imported')
redis.call('HINCRBY', totals, 'imported', 1)
return 1
"""
)
"""ARGV: prefix, id, body, rater, schema, choice, answered_at, seconds, flipped as 0 or 1. Returns whether
the answer is new."""

ALL = [ANSWER, UNDO, WITHDRAW, IMPORT]
