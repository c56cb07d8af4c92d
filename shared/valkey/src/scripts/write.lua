-- KEYS: the balance, the records beside it, the shard's index. ARGV[2]: 'create', 'change', 'put' for
-- a balance that comes from another Region, or 'keep' for records that come with one. What follows
-- are steps of four words each: the step, the number of the key, the field, the value.
-- First all conditions are looked at, then all is written, so that nothing is done in part: a
-- script runs alone, and no write below can fail once the conditions hold.
local BALANCE, RECORDS, DUE = KEYS[1], KEYS[2], KEYS[3]

local CONDITIONS = {
  absent = function(now) return not now end,
  present = function(now) return now end,
  is = function(now, value) return now == value end,
  least = function(now, value) return now and tonumber(now) >= tonumber(value) end,
  most = function(now, value) return now and tonumber(now) <= tonumber(value) end,
}

-- The index begins with the tag of the balances that are in it. What it says of others is void.
local function appoint(client, at)
  if not redis.call('ZSCORE', DUE, TAG) then
    redis.call('UNLINK', DUE)
    redis.call('ZADD', DUE, '+inf', TAG)
  end
  redis.call('ZADD', DUE, at, client)
  redis.call('HSET', BALANCE, 'due_at', at)
end

local WRITES = {
  set = function(key, field, value) redis.call('HSET', key, field, value) end,
  add = function(key, field, value) redis.call('HINCRBY', key, field, value) end,
  delete = function(key, field) redis.call('HDEL', key, field) end,
  -- The field is a lease's mark, the value the field of the lease.
  forget = function(key, field, value)
    local mark = redis.call('HGET', key, field)
    if mark and string.sub(mark, 1, 8) == 'settled:' then redis.call('HDEL', key, field, value) end
  end,
  -- The field is the client, the value the time.
  due = function(_, client, at) appoint(client, at) end,
  due_no_later = function(_, client, at)
    local now = redis.call('HGET', BALANCE, 'due_at')
    if not now or tonumber(at) < tonumber(now) then appoint(client, at) end
  end,
  due_never = function(_, client)
    redis.call('HDEL', BALANCE, 'due_at')
    redis.call('ZREM', DUE, client)
  end,
}

local known = redis.call('HGET', BALANCE, 'tag') == TAG
local create, put = ARGV[2] == 'create', ARGV[2] == 'put'
if create and known then return {'done', {}} end
if put and known then
  local moving = redis.call('HGET', BALANCE, 'moving')
  local gone = moving and string.find(moving, '"stage":"gone"', 1, true)
  -- The steps begin with the new balance's sequence number.
  if not gone or tonumber(redis.call('HGET', BALANCE, 'seq')) >= tonumber(ARGV[6]) then
    return {'done', {}}
  end
end
if ARGV[2] == 'change' and not known then return {'unknown', {}} end

for i = 3, #ARGV, 4 do
  local key, met = KEYS[tonumber(ARGV[i + 1])], CONDITIONS[ARGV[i]]
  if met then
    if not met(redis.call('HGET', key, ARGV[i + 2]), ARGV[i + 3]) then
      if key == RECORDS then return {'companion', {}} end
      return {'moved', redis.call('HGETALL', BALANCE)}
    end
  elseif not WRITES[ARGV[i]] then
    return redis.error_reply('ERR there is no step ' .. ARGV[i])
  end
end

if put then
  redis.call('UNLINK', BALANCE)
  redis.call('HSET', BALANCE, 'tag', TAG)
end
if create then
  -- What is there was written under another primary, and counts no more.
  redis.call('UNLINK', BALANCE, RECORDS)
  redis.call('HSET', BALANCE, 'tag', TAG)
end
for i = 3, #ARGV, 4 do
  local write = WRITES[ARGV[i]]
  if write then write(KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3]) end
end
if create and ARGV[1] == 'fenced' then
  -- Counted from the time in microseconds, so that no change that was planned on an earlier balance
  -- of this client, and relies on its number, fits this one.
  local time = redis.call('TIME')
  redis.call('HSET', BALANCE, 'seq', time[1] .. string.rep('0', 6 - #time[2]) .. time[2])
end
return {'done', {}}
