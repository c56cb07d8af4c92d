-- What every script begins with. ARGV[1] is the tag that a balance must bear to count, or 'fenced':
-- then it is the replication id of this very primary.
--
-- Amounts are at most 1e15, so that a Lua number, a double, holds each of them and their negatives
-- exactly (up to 2^53, which is 9.007e15). Still, numbers are only compared here: sums are left to
-- HINCRBY, and texts go in and out unchanged, since Lua would print the largest ones rounded.
local TAG = ARGV[1]
if TAG == 'fenced' then
  local info = redis.call('INFO', 'replication')
  -- A replica that can be written to bears its primary's id.
  if not string.find(info, 'role:master', 1, true) then
    return redis.error_reply('READONLY a balance is kept by a primary')
  end
  TAG = string.match(info, 'master_replid:(%x+)')
  if not TAG then return redis.error_reply('ERR the primary has no replication id') end
end

