"""What the store's scripts share: how questions, leases and answers are kept, in Lua.

Each script runs atomically and reaches the append-only file as one transaction. Time is the store's own
clock. KEYS are those of `RunStore.script`; query records are addressed by the prefix in ARGV[1].

A query's record is one hash: `body`; `seq`, its place in the queue, unless it was imported; `opinions`, how
many raters shall answer it, where that is more than one; `fence` and `holder` while it is leased from the
queue; `first`, the log offset of the first opinion that stands; `answers`, how many first and later opinions
stand; `held`, how many leases for a later one are out. And of each rater:

- `answer:<rater>`, the offset of the newest label and its state: an opinion that stands, or undone (by the
  rater) or withdrawn (by the owner); `taken:<rater>`, offset and opinion of the answer that was last taken
  back, and the newest fence of that moment. `repeat:<rater>` and `repeat-taken:<rater>` are the same of the
  answer that a rater gave when asked again.
- `by:<vendor>`, which of a vendor's workers answered, a line each: their answers are their own, the leases the
  vendor's. `hasty:<vendor>`, whose answer was refused since it came too soon.
- `beside:<rater>`, the newest lease beside the queue: its fence; its kind, later, gold or repeat; and which
  side clip b is shown on, 1 for the left, - where the page may choose. It has a deadline in `beside` while it
  runs. One for a later opinion is forgotten when it ends. The others stay, so that a late answer or one that
  comes again is known for what it is.

Scripts whose effect must be on disk write each time, also where they find all done: WAITAOF covers what
its own connection wrote, and a repetition often comes on a new connection.
"""

from __future__ import annotations

HEAD = """
local queue, leases, totals, asked, labels, later, beside, golds, cursors, paused, control = unpack(KEYS)
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local function record_of(id) return ARGV[1] .. 'query:' .. id end

local function mine_of(rater) return ARGV[1] .. 'mine:' .. rater end

local function runs(deadline) return deadline and tonumber(deadline) > now end

local function after(seconds) return string.format('%.6f', now + tonumber(seconds)) end
"""

STANDING = """
local function standing(answer)
  if not answer then return nil end
  local offset, state = string.match(answer, '^(%S+) (%S+)$')
  if state == 'undone' or state == 'withdrawn' then return nil, nil, offset, state end
  return offset, state, offset, state
end

local function fields_of(opinion, rater)
  if opinion == 'repeat' then return 'repeat:' .. rater, 'repeat-taken:' .. rater end
  return 'answer:' .. rater, 'taken:' .. rater
end
"""
"""standing(answer): offset and opinion if the answer stands, then offset and state of the label.
fields_of(opinion, rater): where such an answer and its taking back are noted."""

# A question enters `later` at the end each time it lacks an opinion again, so that whoever looked past
# it because of an answer of their own looks at it again once they took that back.
BESIDE = """
local function seek_later(id)
  local wanted, first, answers, held =
    unpack(redis.call('HMGET', record_of(id), 'opinions', 'first', 'answers', 'held'))
  if not wanted then return end
  if first and tonumber(answers or '0') + tonumber(held or '0') < tonumber(wanted) then
    redis.call('ZADD', later, redis.call('HINCRBY', totals, 'entered', 1), id)
  else
    redis.call('ZREM', later, id)
  end
end

local function lease_beside(id, rater)
  local fence, kind, side = string.match(
    redis.call('HGET', record_of(id), 'beside:' .. rater) or '', '^(%S+) (%S+) (%S+)$')
  return fence, kind, side, redis.call('ZSCORE', beside, id .. ' ' .. rater)
end

local function end_beside(id, rater)
  if redis.call('ZREM', beside, id .. ' ' .. rater) == 0 then return false end
  local _, kind = lease_beside(id, rater)
  if kind == 'later' then
    redis.call('HDEL', record_of(id), 'beside:' .. rater)
    redis.call('HINCRBY', record_of(id), 'held', -1)
    seek_later(id)
  end
  return true
end

local function begin_beside(id, rater, kind, side, deadline, fence)
  end_beside(id, rater)
  fence = fence or redis.call('HINCRBY', totals, 'fence', 1)
  redis.call('HSET', record_of(id), 'beside:' .. rater, fence .. ' ' .. kind .. ' ' .. side)
  redis.call('ZADD', beside, deadline, id .. ' ' .. rater)
  if kind == 'later' then
    redis.call('HINCRBY', record_of(id), 'held', 1)
    seek_later(id)
  end
  return {redis.call('HGET', record_of(id), 'body'), tonumber(fence), deadline, side}
end
"""
"""Leases beside the queue: for a question that is another's, or whose first opinion stands.
begin_beside returns body, fence, deadline and side; end_beside whether the lease still ran."""

# The fence says which answers are older than this: one of them that comes again must not bring back
# what was taken back.
TAKE_BACK = """
local function take_back(id, rater, offset, opinion, state, schema)
  local record = record_of(id)
  local fence = redis.call('HGET', totals, 'fence') or '0'
  local label = redis.call('XADD', labels, '*', 'schema', schema, 'query', id, 'rater', rater,
    'choice', 'withdrawn', 'opinion', opinion, 'fence', fence, 'answered_at', string.format('%.6f', now),
    'seconds', '0.0', 'flipped', '0', 'supersedes', offset)
  local mine, taken = fields_of(opinion, rater)
  redis.call('HSET', record, mine, label .. ' ' .. state, taken, offset .. ' ' .. opinion .. ' ' .. fence)
  redis.call('HINCRBY', totals, opinion, -1)
  if opinion == 'first' then redis.call('HDEL', record, 'first') end
  if opinion == 'first' or opinion == 'later' then
    redis.call('HINCRBY', record, 'answers', -1)
    redis.call('ZREM', mine_of(rater), id)
    seek_later(id)
  end
end
"""
