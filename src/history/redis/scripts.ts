// The scripts that run in Redis. Each does one call of the store in one step.
//
// A room has a stream with its messages, a hash with its position, and a hash with the offsets of the messages by their ids. In the
// stream, the message with the offset 7 is the entry 7-0 with the fields i (its id), t (its time) and b (its body). The scripts rely
// on the order of these fields.

import { createHash } from 'node:crypto'

export interface Script {
  readonly source: string
  readonly sha: string
}

/** What scripts have in common. */
const COMMON = `
-- Lua would write 1e+15.
local function text(number)
  return string.format('%.0f', number)
end

local function timeNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- By bytes: the operator < compares as the locale of the server does.
local function sortsBefore(a, b)
  for i = 1, math.min(#a, #b) do
    local byteOfA, byteOfB = a:byte(i), b:byte(i)
    if byteOfA ~= byteOfB then return byteOfA < byteOfB end
  end
  return #a < #b
end

-- Another caller may keep the position for longer.
local function keep(position, ttl)
  if redis.call('PTTL', position) < 2 * ttl then redis.call('PEXPIRE', position, text(2 * ttl)) end
end

-- The epoch and the offset of a room. Begins the new epoch if the room is unknown or behind what the caller knows.
local function locate(stream, position, ids, ttl, known, newEpoch)
  local stored = redis.pcall('HMGET', position, 'epoch', 'offset', 'ttl')
  -- What another program has put there is worth nothing. An error would take the other rooms of the call with it.
  if stored.err and not stored.err:find('WRONGTYPE') then error(stored.err) end
  if stored.err then
    redis.call('UNLINK', position)
    stored = { false, false, false }
  end
  local epoch, offset = stored[1], tonumber(stored[2] or 0)
  if not offset then epoch, offset = false, 0 end
  local isBehind = not epoch
  if epoch == known.epoch then isBehind = offset < known.offset
  elseif epoch then isBehind = sortsBefore(epoch, known.epoch) end
  if isBehind then
    epoch, offset = newEpoch, 0
    redis.call('UNLINK', stream, ids)
    redis.call('HSET', position, 'epoch', epoch, 'offset', '0')
  end
  if ttl > (tonumber(stored[3] or 0) or 0) then redis.call('HSET', position, 'ttl', text(ttl)) end
  keep(position, ttl)
  return epoch, offset
end
`

/**
 * KEYS: stream, position, ids. ARGV: size, ttl, new epoch, known epoch, known offset, command to publish (may be empty), channel, head;
 * then the id, the body and the own head (may be empty) of each message. Answers with the epoch, and for each message with its offset and 1 if it is new.
 */
const APPEND = `
local stream, position, ids = KEYS[1], KEYS[2], KEYS[3]
local size, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = { epoch = ARGV[4], offset = tonumber(ARGV[5]) }
local command, channel, head = ARGV[6], ARGV[7], ARGV[8]

-- If its memory is full, Redis refuses the first write of a script only, and only if it is one that may need memory. Later writes, and
-- those after the keys have got another time to live, would take more memory than Redis may have.
if #ARGV > 8 then redis.call('HSET', position, 'layout', '1') end

local epoch, offset = locate(stream, position, ids, ttl, known, ARGV[3])
local now = timeNow()

-- Drops the oldest messages: so many, and those that are too old.
local function drop(excess)
  local entries, dropped
  repeat
    entries = redis.call('XRANGE', stream, '-', '+', 'COUNT', math.min(math.max(excess, 0) + 1, 100))
    dropped = 0
    for _, entry in ipairs(entries) do
      if dropped >= excess and tonumber(entry[2][4]) >= now - ttl then break end
      redis.call('HDEL', ids, entry[2][2])
      dropped = dropped + 1
    end
    if dropped > 0 then redis.call('XTRIM', stream, 'MAXLEN', redis.call('XLEN', stream) - dropped) end
    excess = excess - dropped
  until dropped < #entries or #entries == 0
end

-- Redis may have removed one of the keys, to save memory or because it expired a moment before the other.
local function restoreIds()
  if redis.call('HLEN', ids) == redis.call('XLEN', stream) then return end
  redis.call('UNLINK', ids)
  for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+')) do
    redis.call('HSET', ids, entry[2][2], (entry[1]:gsub('-0$', '')))
  end
end

local published = {}
local function append(id, body, ownHead)
  local first = redis.call('HGET', ids, id)
  if first then
    -- What is published again is what was stored, also if the caller has changed it.
    if command ~= '' then body = redis.call('XRANGE', stream, first .. '-0', first .. '-0')[1][2][6] end
  else
    offset = offset + 1
    redis.call('XADD', stream, text(offset) .. '-0', 'i', id, 't', text(now), 'b', body)
    redis.call('HSET', ids, id, text(offset))
  end
  local stored = first or text(offset)
  local beginning = ownHead == '' and head or ownHead
  if command ~= '' then published[#published + 1] = beginning .. epoch .. ' ' .. stored .. ' ' .. id .. '\\n' .. body end
  return stored, first and '0' or '1'
end

drop(0)
restoreIds()
local answer = { epoch }
for i = 9, #ARGV, 3 do
  local stored, isNew = append(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  answer[#answer + 1] = stored
  answer[#answer + 1] = isNew
end
redis.call('HSET', position, 'offset', text(offset))
drop(redis.call('XLEN', stream) - size)
redis.call('PEXPIRE', stream, text(ttl))
redis.call('PEXPIRE', ids, text(ttl))
for _, message in ipairs(published) do redis.call(command, channel, message) end
return answer
`

/**
 * KEYS: stream, position, ids. ARGV: ttl, new epoch, after, limit, the most bytes. Answers with the epoch and the offset of the room, and
 * for each message with its offset, id, time and body.
 */
const READ = `
local CHUNK = 16
local stream = KEYS[1]
local ttl, limit, maxBytes = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local epoch, offset = locate(stream, KEYS[2], KEYS[3], ttl, { epoch = '', offset = 0 }, ARGV[2])
local oldest = timeNow() - ttl
local answer = { epoch, text(offset) }
local count, bytes = 0, 0
local after = ARGV[3] .. '-0'
while count < limit do
  local wanted = math.min(limit - count, CHUNK)
  local entries = redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', wanted)
  for _, entry in ipairs(entries) do
    after = entry[1]
    local id, time, body = entry[2][2], entry[2][4], entry[2][6]
    if count > 0 or tonumber(time) >= oldest then
      if bytes >= maxBytes then return answer end
      for _, part in ipairs({ (after:gsub('-0$', '')), id, time, body }) do answer[#answer + 1] = part end
      count, bytes = count + 1, bytes + #body
    end
  end
  if #entries < wanted then break end
end
return answer
`

/**
 * KEYS: stream, position and ids of each room. ARGV: ttl, new epoch, known epoch and known offset of each room. Answers with the epoch and
 * the offset of each.
 */
const POSITIONS = `
local answer = {}
for i = 0, #KEYS / 3 - 1 do
  local key, arg = 3 * i, 4 * i
  local known = { epoch = ARGV[arg + 3], offset = tonumber(ARGV[arg + 4]) }
  local epoch, offset =
    locate(KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], tonumber(ARGV[arg + 1]), known, ARGV[arg + 2])
  answer[#answer + 1] = epoch
  answer[#answer + 1] = text(offset)
end
return answer
`

/** KEYS: stream, position, ids. */
const CLEAR = `
redis.call('UNLINK', KEYS[1], KEYS[3])
local ttl = redis.call('HGET', KEYS[2], 'ttl')
if ttl then keep(KEYS[2], tonumber(ttl)) end
`

export const SCRIPTS = {
  append: script(APPEND),
  read: script(READ),
  positions: script(POSITIONS),
  clear: script(CLEAR)
} satisfies Record<string, Script>

function script(body: string): Script {
  const source = COMMON + body
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
