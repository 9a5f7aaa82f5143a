-- Load a record, or swap it if stamp and lineage still are what the caller decided on. Nothing else is decided here.
-- Needs Redis >= 6.2 or Valkey: effects replication, TIME and INFO inside scripts. Sent as it stands; comments cost nothing after the first time.
--
-- KEYS[1]  lineage key, a hash: lin (the server's replication id), since (ms, when this data set first saw it), floor (of its revisions)
-- KEYS[2]  record key, a hash: s (stamp), e (end of the lease, ms), b (the record, opaque)
-- ARGV     load: nothing
--          swap: 1 expected stamp ('' means that there must be no record), 2 lineage, 3 new stamp, 4 record,
--                5 lease (ms, from now), 6 time to live of the record (ms, from now)
-- Reply    swapped:           { now }
--          load, not swapped: { now, lineage, since, stamp, lease end, record, floor }; stamp, lease end and record are '' where there is
--                             no record
-- Units    times are milliseconds of the server's clock, as integers; the lease end comes back as text

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A promotion or a restart of the primary always makes a new replication id. The colon keeps master_replid2 out.
local info = redis.pcall('INFO', 'replication')
local id = type(info) == 'string' and string.match(info, 'master_replid:(%x+)')
if not id then
  return redis.error_reply('NOLINEAGE the server does not let scripts read its replication id')
end

local known = redis.call('HMGET', KEYS[1], 'lin', 'since', 'floor')
local since = tonumber(known[2])
local floor = tonumber(known[3]) or 0
local stamp = redis.call('HMGET', KEYS[2], 's')[1] or ''

-- Failover, restart, flush, moved slot or first use: the age of the lineage counts from here.
if known[1] ~= id then
  -- Whether records can be given an end shows here, while an error still means that nothing was swapped.
  -- As long as any record may be kept: one that is to last must not be shortened.
  redis.call('PEXPIRE', KEYS[2], 3162240000000)
  since = now
  -- Above all that was counted before: a count takes more than a millisecond, and a server whose clock is behind has the last floor.
  floor = math.max(now, floor + 1048576)
  redis.call('HSET', KEYS[1], 'lin', id, 'since', now, 'floor', floor)
end

-- A flush leaves the id as it is, and a slot may come back to its node: so since when is part of the name. 104 bits of the id are enough.
local lineage = string.sub(id, 1, 26) .. string.format('%.0f', since)

if ARGV[1] and stamp == ARGV[1] and lineage == ARGV[2] then
  redis.call('HSET', KEYS[2], 's', ARGV[3], 'e', now + ARGV[5], 'b', ARGV[4])
  local ending = redis.pcall('PEXPIRE', KEYS[2], ARGV[6])
  if type(ending) == 'table' then
    return redis.error_reply('ERR the swap stands, but the server does not let PEXPIRE end the record')
  end
  return { now }
end

local found = redis.call('HMGET', KEYS[2], 'e', 'b')
return { now, lineage, since, stamp, found[1] or '', found[2] or '', math.max(floor, since) }
