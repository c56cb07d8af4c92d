-- KEYS: a shard's index. ARGV[2]: the time. ARGV[3]: how many at most.
if not redis.call('ZSCORE', KEYS[1], TAG) then return {} end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
