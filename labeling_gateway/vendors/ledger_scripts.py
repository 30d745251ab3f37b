"""The store's side of what vendors owe us and we owe them: each script changes money and its reason together.

Amounts are whole millionths. KEYS are those of `ledger.VendorKeys`: the run's totals over all vendors, the vendor's
own account, its open items by deadline, its batches, those of them that may not have reached it, what it has told
us, how often it was asked each question, the ids of its webhooks, its inbox; items are addressed by the prefix in
ARGV[1].

An item is a task or a seat, one hash: `query`, `fence` and `flipped` of its lease (query is empty for a seat),
`batch`, `price`, `answers` (how many it is to bring), and `state`: open, cancelling (we want it back, and its
money is still set aside), cancelled (the vendor confirmed it, and its money is free), answered.

For every account: reserved + spent never exceeds the cap that it was changed under. Every script may be sent twice,
and writes each time, so that WAITAOF covers it.
"""

from __future__ import annotations

_ROOM = """
local function held(key)
  local found = redis.call('HMGET', key, 'reserved', 'spent')
  return tonumber(found[1] or '0') + tonumber(found[2] or '0')
end
local function room(vendor_cap, total_cap)
  return math.min(tonumber(vendor_cap) - held(KEYS[2]), tonumber(total_cap) - held(KEYS[1]))
end
local function book(field, change)
  redis.call('HINCRBY', KEYS[1], field, change)
  redis.call('HINCRBY', KEYS[2], field, change)
end
"""

RESERVE = (
    _ROOM
    + """
local batch, price, answers = ARGV[2], tonumber(ARGV[3]), ARGV[7]
local kept = redis.call('HGET', KEYS[4], batch)
if kept then
  redis.call('HINCRBY', KEYS[2], 'repeats', 1)
  return cjson.decode(kept)
end
local items = {}
local left = room(ARGV[4], ARGV[5])
for i = 8, #ARGV, 3 do
  local query = ARGV[i]
  local id = batch .. '.' .. ((i - 5) / 3)
  local busy = false
  if query ~= '' then
    local asked = tonumber(redis.call('HGET', KEYS[7], query) or '0')
    local last = asked == 1 and query or query .. '.' .. asked
    local state = asked > 0 and redis.call('HGET', ARGV[1] .. last, 'state')
    busy = state == 'open' or state == 'cancelling'
    id = asked == 0 and query or query .. '.' .. (asked + 1)
  end
  if not busy and price <= left then
    left = left - price
    if query ~= '' then redis.call('HINCRBY', KEYS[7], query, 1) end
    redis.call('HSET', ARGV[1] .. id, 'query', query, 'fence', ARGV[i + 1], 'flipped', ARGV[i + 2],
      'batch', batch, 'price', ARGV[3], 'answers', answers, 'state', 'open')
    redis.call('ZADD', KEYS[3], ARGV[6], id)
    items[#items + 1] = id
  end
end
redis.call('HINCRBY', KEYS[2], 'reservations', 1)
if #items == 0 then return {} end
book('reserved', price * #items)
redis.call('HINCRBY', KEYS[2], 'given', tonumber(answers) * #items)
redis.call('HSET', KEYS[4], batch, cjson.encode(items))
redis.call('SADD', KEYS[5], batch)
return items
"""
)
"""ARGV: prefix, batch, price, vendor's cap, total cap, deadline, answers an item is to bring; then query, fence and
flipped of each. Returns ids of the items for which there is money and which the vendor does not have already."""

SUBMITTED = """
redis.call('SREM', KEYS[5], ARGV[2])
redis.call('HSET', KEYS[2], 'submitted', ARGV[2])
return 1
"""
"""ARGV: prefix, batch."""

CANCELLING = """
redis.call('HINCRBY', KEYS[2], 'cancellations', 1)
local record = ARGV[1] .. ARGV[2]
if redis.call('HGET', record, 'state') ~= 'open' then return 0 end
redis.call('HSET', record, 'state', 'cancelling')
return 1
"""
"""ARGV: prefix, item. Returns whether it was open."""

CANCELLED = (
    _ROOM
    + """
redis.call('HINCRBY', KEYS[2], 'confirmations', 1)
local record = ARGV[1] .. ARGV[2]
local found = redis.call('HMGET', record, 'state', 'price', 'answers')
if found[1] ~= 'open' and found[1] ~= 'cancelling' then return 0 end
redis.call('HSET', record, 'state', 'cancelled')
redis.call('ZREM', KEYS[3], ARGV[2])
book('reserved', -tonumber(found[2]))
redis.call('HINCRBY', KEYS[2], 'given', -tonumber(found[3]))
return 1
"""
)
"""ARGV: prefix, item, which the vendor will neither do nor bill. Returns whether this set money free."""

SETTLE = (
    _ROOM
    + """
local item, batch, told, billed = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
if redis.call('HEXISTS', KEYS[6], told) == 1 then
  redis.call('HINCRBY', KEYS[2], 'repeats', 1)
  return 'repeated'
end
if item == '' then
  local seats = cjson.decode(redis.call('HGET', KEYS[4], batch) or '[]')
  for _, state in ipairs({'open', 'cancelling', 'cancelled'}) do
    for _, seat in ipairs(seats) do
      if item == '' and redis.call('HGET', ARGV[1] .. seat, 'state') == state then item = seat end
    end
  end
end
local record = ARGV[1] .. item
local found = redis.call('HMGET', record, 'state', 'price', 'answers', 'query')
local state, price = found[1], tonumber(found[2] or '0')
local verdict
if state == 'open' or state == 'cancelling' then
  redis.call('HSET', record, 'state', 'answered')
  redis.call('ZREM', KEYS[3], item)
  book('reserved', -price)
  if billed then book('spent', price) end
  verdict = billed and 'paid' or 'free'
elseif state == 'cancelled' and billed and price <= room(ARGV[6], ARGV[7]) then
  redis.call('HSET', record, 'state', 'answered')
  book('spent', price)
  redis.call('HINCRBY', KEYS[2], 'given', tonumber(found[3]))
  verdict = 'paid'
else
  verdict = billed and 'disputed' or 'free'
end
if verdict == 'disputed' then redis.call('HINCRBY', KEYS[2], 'disputed', 1) end
local task = found[4] and found[4] ~= ''
if task or verdict == 'paid' then redis.call('HINCRBY', KEYS[2], 'answered', tonumber(found[3])) end
redis.call('HSET', KEYS[6], told, item)
return verdict
"""
)
"""ARGV: prefix, item (or nothing), batch of a seat (or nothing), the vendor's own id of the answer, billed as 0 or 1,
vendor's cap, total cap. Returns paid, free, disputed (billed, but asked for by nothing that is unpaid, or the caps
have no room for it any more), or repeated."""

RECEIVE = """
redis.call('HINCRBY', KEYS[2], 'webhooks', 1)
redis.call('ZREMRANGEBYSCORE', KEYS[8], '-inf', tonumber(ARGV[3]) - tonumber(ARGV[4]))
if redis.call('ZADD', KEYS[8], 'NX', ARGV[3], ARGV[2]) == 0 then return 0 end
for i = 5, #ARGV do redis.call('XADD', KEYS[9], '*', 'news', ARGV[i]) end
return 1
"""
"""ARGV: prefix, a webhook's id, now, seconds for which ids are remembered; then its news. Returns whether it is new."""

ALL = [RESERVE, SUBMITTED, CANCELLING, CANCELLED, SETTLE, RECEIVE]
