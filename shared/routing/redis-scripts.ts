/**
 * The routing table's operations in Redis: each is one script, so it is atomic, also against fail-over and against
 * other clients. All keys that a script touches are in KEYS and have one hash tag, so that they are in one slot of a
 * Cluster (two keys without it are a CROSSSLOT error).
 *
 * Keys, after the prefix:
 * - `birth`: an id made with the first write; a new one means that the contents were lost.
 * - `members`: hash, node → `leaseUntil session incarnation json`. One hash instead of a key with a time to live for
 *   each member, since a claim reads the record of an owner whom it learns of only while it runs, and whose key could
 *   not have been declared. The lease is on Redis's own clock, as a time to live would be.
 * - `p:<bucket>`: hash, key → `token expiresAt mode node incarnation spec`, or a tombstone `token until x reason`.
 * - `overruled`: set of incarnations that lost a placement to a higher token, until their next renewal.
 * - `dead:<incarnation>`: mark of an incarnation that was declared dead.
 *
 * Numbers leave Lua by `%.0f`: tostring keeps only 14 digits, and tokens are µs since the epoch (16 digits, exact in
 * a double).
 */

const prelude = `
local time = redis.call('TIME')
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local nowMs = math.floor(nowUs / 1000)
local dayMs = 86400000

local function integer(number) return string.format('%.0f', number) end

local life = redis.call('GET', KEYS[1])
if not life then
  life = ARGV[1]
  redis.call('SET', KEYS[1], life)
end

-- A record that cannot be read counts as none: it is written over.
local function member(node)
  local text = redis.call('HGET', KEYS[2], node)
  if not text then return nil end
  local leaseUntil, session, incarnation, json = string.match(text, '^(%d+) (%d+) (%S+) (.*)$')
  if not leaseUntil or tonumber(leaseUntil) <= nowMs then return nil end
  return { incarnation = incarnation, session = tonumber(session), json = json }
end

local function isMember(node, incarnation)
  local live = member(node)
  return live ~= nil and live.incarnation == incarnation
end

-- Why a request of an incarnation is not carried out. known: the birth id that it knows, or ''
local function refused(node, incarnation, session, known)
  local live = member(node)
  if not live then return 'unregistered' end
  if live.incarnation ~= incarnation then return 'fenced' end
  if live.session > session then return 'late' end
  if known ~= '' and known ~= life then return 'reborn' end
  return nil
end

local function dropMember(node, incarnation)
  local text = redis.call('HGET', KEYS[2], node)
  if text and string.match(text, '^%d+ %d+ (%S+) ') == incarnation then redis.call('HDEL', KEYS[2], node) end
end

local function parsed(text)
  if not text then return nil end
  local token, expiresAt, mode, node, incarnation = string.match(text, '^(%d+) (%d+) ([rt]) (%S+) (%S+) ')
  if not token or #token > 16 then return nil end
  return { text = text, token = tonumber(token), node = node, incarnation = incarnation }
end

local function buried(text)
  if not text then return nil end
  local token, untilMs, reason = string.match(text, '^(%d+) (%d+) x (%S+)$')
  if not token or tonumber(untilMs) <= nowMs then return nil end
  return { token = tonumber(token), reason = reason }
end

-- A bucket goes by itself when nothing in it was written or refreshed for a day beyond its last expiry.
local function keep(bucket, forMs)
  local wanted = forMs + dayMs
  if redis.call('PTTL', bucket) < wanted then redis.call('PEXPIRE', bucket, integer(wanted)) end
end

local function place(bucket, key, token, expiresAt, mode, node, incarnation, spec)
  local text = table.concat({ integer(token), expiresAt, mode, node, incarnation, spec }, ' ')
  redis.call('HSET', bucket, key, text)
  keep(bucket, math.max(0, tonumber(expiresAt) - nowMs))
end

local function bury(bucket, key, token, reason, tombstoneMs)
  local before = buried(redis.call('HGET', bucket, key))
  if before and before.token > token then token = before.token end
  local text = integer(token) .. ' ' .. integer(nowMs + tonumber(tombstoneMs)) .. ' x ' .. reason
  redis.call('HSET', bucket, key, text)
  keep(bucket, 0)
end
`

/** Arguments: ARGV[1] is always the candidate for the birth id; replies always begin with the birth id. */
const bodies = {
  // KEYS: birth, members, dead:incarnation, overruled. ARGV: -, node, incarnation, lease ms, session, json
  renew: `
if redis.call('EXISTS', KEYS[3]) == 1 then return { life, 'fenced' } end
local live = member(ARGV[2])
if live and live.incarnation ~= ARGV[3] then return { life, 'taken', live.json } end
local leaseUntil = integer(nowMs + tonumber(ARGV[4]))
local session = tonumber(ARGV[5])
if live and live.session > session then session = live.session end
redis.call('HSET', KEYS[2], ARGV[2], table.concat({ leaseUntil, integer(session), ARGV[3], ARGV[6] }, ' '))
redis.call('PEXPIRE', KEYS[2], integer(dayMs))
local overruled = redis.call('SREM', KEYS[4], ARGV[3]) == 1
return { life, 'renewed', (live and not overruled) and 'live' or 'lapsed' }
`,

  // KEYS: birth, members. ARGV: -, node, incarnation
  leave: `
dropMember(ARGV[2], ARGV[3])
return { life }
`,

  // KEYS: birth, members. Drops the records whose lease has run out.
  members: `
local reply = { life }
local all = redis.call('HGETALL', KEYS[2])
for index = 1, #all, 2 do
  local live = member(all[index])
  if live then reply[#reply + 1] = live.json else redis.call('HDEL', KEYS[2], all[index]) end
end
return reply
`,

  // KEYS: birth, members, bucket. ARGV: -, key
  find: `
local text = redis.call('HGET', KEYS[3], ARGV[2])
local present = parsed(text)
if present then
  return { life, 'placed', present.text, isMember(present.node, present.incarnation) and '1' or '0' }
end
local tombstone = buried(text)
return { life, 'gone', tombstone and tombstone.reason or '' }
`,

  // KEYS: birth, members, bucket, dead:claimer, dead:replaced. ARGV: -, key, node, incarnation, session, known birth,
  // expiresAt, mode, spec, replaced node, replaced incarnation, replaced token, proved, mark ms
  claim: `
local key, node, incarnation = ARGV[2], ARGV[3], ARGV[4]
if redis.call('EXISTS', KEYS[4]) == 1 then return { life, 'fenced' } end
local why = refused(node, incarnation, tonumber(ARGV[5]), ARGV[6])
if why then return { life, why } end
local text = redis.call('HGET', KEYS[3], key)
local present = parsed(text)
local previous = 0
if present then
  local alive = isMember(present.node, present.incarnation)
  local expected = present.node == ARGV[10] and present.incarnation == ARGV[11]
    and present.token == tonumber(ARGV[12])
  local own = present.node == node and present.incarnation == incarnation
  local proved = ARGV[13] == '1' and not own
  if not expected or (alive and not own and not proved) then
    return { life, 'held', present.text, alive and '1' or '0' }
  end
  if proved then
    dropMember(present.node, present.incarnation)
    redis.call('SET', KEYS[5], '', 'PX', ARGV[14])
  end
  previous = present.token
else
  local tombstone = buried(text)
  if tombstone then previous = tombstone.token end
end
local token = math.max(previous + 1, nowUs)
place(KEYS[3], key, token, ARGV[7], ARGV[8], node, incarnation, ARGV[9])
return { life, 'claimed', integer(token), present and present.text or '' }
`,

  // KEYS: birth, members, bucket. ARGV: -, key, node, incarnation, token, reason, tombstone ms
  release: `
local token = tonumber(ARGV[5])
local present = parsed(redis.call('HGET', KEYS[3], ARGV[2]))
if present then
  local own = present.node == ARGV[3] and present.incarnation == ARGV[4]
  if not own or present.token > token then return { life, '0' } end
end
bury(KEYS[3], ARGV[2], token, ARGV[6], ARGV[7])
return { life, '1' }
`,

  // KEYS: birth, members, bucket, dead:incarnation. ARGV: -, key, node, incarnation, token, expiresAt or '',
  // whether there is a spec, spec
  update: `
if redis.call('EXISTS', KEYS[4]) == 1 then return { life, '0' } end
local present = parsed(redis.call('HGET', KEYS[3], ARGV[2]))
if not present or present.node ~= ARGV[3] or present.incarnation ~= ARGV[4]
  or present.token ~= tonumber(ARGV[5]) then return { life, '0' } end
local expiresAt, mode, spec = string.match(present.text, '^%d+ (%d+) (%a) %S+ %S+ (.*)$')
if ARGV[6] ~= '' then expiresAt = ARGV[6] end
if ARGV[7] == '1' then spec = ARGV[8] end
place(KEYS[3], ARGV[2], present.token, expiresAt, mode, ARGV[3], ARGV[4], spec)
return { life, '1' }
`,

  // KEYS: birth, members, bucket, dead:incarnation. ARGV: -, key, node, incarnation, token, expiresAt, spec, the
  // incarnation that nobody is
  handBack: `
if redis.call('EXISTS', KEYS[4]) == 1 then return { life, '0' } end
local present = parsed(redis.call('HGET', KEYS[3], ARGV[2]))
if not present or present.node ~= ARGV[3] or present.incarnation ~= ARGV[4]
  or present.token ~= tonumber(ARGV[5]) then return { life, '0' } end
local mode = string.match(present.text, '^%d+ %d+ (%a) ')
local token = math.max(present.token + 1, nowUs)
place(KEYS[3], ARGV[2], token, ARGV[6], mode, ARGV[3], ARGV[8], ARGV[7])
return { life, '1' }
`,

  // KEYS: birth, members, dead:incarnation, overruled, and a bucket for each placement. ARGV: -, node,
  // incarnation, session, known birth, and for each placement key, token, expiresAt, mode, spec. Reply: for each its
  // token, or '' for a lost one.
  reassert: `
local node, incarnation = ARGV[2], ARGV[3]
if redis.call('EXISTS', KEYS[3]) == 1 then return { life, 'fenced' } end
local why = refused(node, incarnation, tonumber(ARGV[4]), ARGV[5])
if why then return { life, why } end
local reply = { life, 'asserted' }
for index = 5, #KEYS do
  local at = 6 + (index - 5) * 5
  local key, token = ARGV[at], tonumber(ARGV[at + 1])
  local text = redis.call('HGET', KEYS[index], key)
  local present, tombstone = parsed(text), buried(text)
  local own = present and present.node == node and present.incarnation == incarnation
  if present and not own and present.token >= token then
    reply[#reply + 1] = ''
  elseif own and present.token > token then
    reply[#reply + 1] = integer(present.token)
  elseif tombstone and tombstone.token >= token then
    reply[#reply + 1] = ''
  else
    if present and not own and isMember(present.node, present.incarnation) then
      redis.call('SADD', KEYS[4], present.incarnation)
      redis.call('PEXPIRE', KEYS[4], integer(dayMs))
    end
    place(KEYS[index], key, token, ARGV[at + 2], ARGV[at + 3], node, incarnation, ARGV[at + 4])
    reply[#reply + 1] = integer(token)
  end
end
return reply
`,

  // KEYS: birth, members, dead:incarnation. ARGV: -, node, incarnation, mark ms
  retire: `
dropMember(ARGV[2], ARGV[3])
redis.call('SET', KEYS[3], '', 'PX', ARGV[4])
return { life }
`,

  // KEYS: birth, members, bucket. ARGV: -, node or '', start of the key, limit. Reply: key, text, …
  list: `
local reply = { life }
local prefix, limit = ARGV[3], tonumber(ARGV[4])
local all = redis.call('HGETALL', KEYS[3])
for index = 1, #all, 2 do
  if limit <= 0 then break end
  local present = parsed(all[index + 1])
  if present and (ARGV[2] == '' or present.node == ARGV[2]) and string.sub(all[index], 1, #prefix) == prefix then
    reply[#reply + 1] = all[index]
    reply[#reply + 1] = present.text
    limit = limit - 1
  end
end
return reply
`,

  // KEYS: birth, members, bucket. ARGV: -, limit. Reply: key, text, … Drops the tombstones that have run out.
  orphans: `
local reply = { life }
local limit = tonumber(ARGV[2])
local alive = {}
local all = redis.call('HGETALL', KEYS[3])
for index = 1, #all, 2 do
  local present = parsed(all[index + 1])
  if present then
    local owner = present.node .. ' ' .. present.incarnation
    if alive[owner] == nil then alive[owner] = isMember(present.node, present.incarnation) end
    if not alive[owner] and limit > 0 then
      reply[#reply + 1] = all[index]
      reply[#reply + 1] = present.text
      limit = limit - 1
    end
  elseif not buried(all[index + 1]) then
    redis.call('HDEL', KEYS[3], all[index])
  end
end
return reply
`,

  // KEYS: birth, members, bucket. ARGV: -, key, node, incarnation, token, tombstone ms
  removeOrphan: `
local present = parsed(redis.call('HGET', KEYS[3], ARGV[2]))
if not present or present.node ~= ARGV[3] or present.incarnation ~= ARGV[4]
  or present.token ~= tonumber(ARGV[5]) or isMember(present.node, present.incarnation) then
  return { life, '0' }
end
bury(KEYS[3], ARGV[2], present.token, 'owner-lost', ARGV[6])
return { life, '1' }
`,
} as const

export type RedisScript = keyof typeof bodies

/** The source of each script. */
export const redisScripts: Readonly<Record<RedisScript, string>> = Object.freeze(
  Object.fromEntries(Object.entries(bodies).map(([name, body]) => [name, prelude + body])) as Record<
    RedisScript,
    string
  >,
)
