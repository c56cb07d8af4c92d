-- KEYS: buckets. ARGV[1]: how long ago the calls may have been made, in microseconds. Then for each
-- bucket two words: its limit in calls a second, and how many calls to count.
--
-- A bucket is what the generic cell rate algorithm remembers, the theoretical arrival time, and when
-- that was written; both by this server's clock, in microseconds. They are below 2^53, so that a Lua
-- number, a double, holds them exactly. Answers with how far each bucket's time is ahead of now.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local from = now - ARGV[1]
local ahead = {}
for i, key in ipairs(KEYS) do
  local value = redis.call('GET', key) or ''
  local arrival, written = string.match(value, '^(%d+) (%d+)$')
  -- What was written later than now was written by another clock: by that of a primary which this
  -- server replaces, or by its own before it was put back.
  if not arrival or tonumber(written) > now then arrival = from end
  arrival = math.max(tonumber(arrival), from) + ARGV[2 * i + 1] * 1000000 / ARGV[2 * i]
  if arrival > from then
    value = string.format('%.0f %.0f', arrival, now)
    redis.call('SET', key, value, 'PX', math.ceil((arrival - from) / 1000))
  end
  ahead[i] = math.max(arrival - now, 0)
end
return ahead
