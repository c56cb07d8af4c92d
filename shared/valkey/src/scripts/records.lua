-- KEYS: the balance, the records beside it. Answers with all of the records.
if redis.call('HGET', KEYS[1], 'tag') ~= TAG then return {} end
return redis.call('HGETALL', KEYS[2])
