-- KEYS: the balance, the records beside it. ARGV[2]: a field of the records; without one the whole
-- balance is read. Answers with what was found and the fields of it.
if redis.call('HGET', KEYS[1], 'tag') ~= TAG then return {'unknown', {}} end
if not ARGV[2] then return {'found', redis.call('HGETALL', KEYS[1])} end
local value = redis.call('HGET', KEYS[2], ARGV[2])
if not value then return {'unknown', {}} end
return {'found', {ARGV[2], value}}
