//! Atomic changes as Lua scripts, which Redis runs one at a time.
//!
//! If a script fails, Redis does not undo what it has already written. So each script reads first, and its first write
//! is the one command that a full memory rejects.
//!
//! A script is atomic and is one transaction in the log of Redis. `WATCH` would need a connection for each request, and
//! several tries.

use std::sync::LazyLock;

use ::redis::Script;

/// KEYS: the value, the owners, and for each rival the same number of proofs. ARGV from `from` on: the rivals, longest
/// first.
const OWNER: &str = "
local function is_anothers(from)
  local owner = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[2], KEYS[1])
  if not owner then
    local each = (#KEYS - 2) / (#ARGV - from + 1)
    for i = from, #ARGV do
      for k = 3 + (i - from) * each, 2 + (i - from + 1) * each do
        if not owner and redis.call('EXISTS', KEYS[k]) == 1 then owner = ARGV[i] end
      end
    end
  end
  return owner and owner ~= ARGV[1]
end
";

/// Checks before an association is removed that it (still) belongs to the tenant ARGV[1].
const ASSOCIATION: &str = "
local function is_ours(association)
  return redis.call('GET', association) == ARGV[1]
end
";

/// A write after its deadline is not done. `late` compares the server's clock with the deadline, in milliseconds. A
/// server that was suspended may find old commands in its sockets.
const LATE: &str = "
local function late(limit)
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000) > tonumber(limit)
end
";

/// ARGV: owner, rivals.
pub(super) static GET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!("{OWNER} if is_anothers(2) then return false end return redis.call('GET', KEYS[1])"))
});

/// ARGV: owner, value, `1` if the owner is to be recorded, rivals. Returns 0 if the name belongs to another owner.
pub(super) static SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OWNER}
        if is_anothers(4) then return 0 end
        redis.call('SET', KEYS[1], ARGV[2])
        if ARGV[3] == '1' then redis.call('HSET', KEYS[2], KEYS[1], ARGV[1]) end
        return 1"
    ))
});

/// ARGV: owner, rivals. Returns whether there was a value.
pub(super) static DELETE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OWNER}
        if is_anothers(2) then return 0 end
        redis.call('HDEL', KEYS[2], KEYS[1])
        return redis.call('DEL', KEYS[1])"
    ))
});

/// ARGV: owner, `1` if a value is expected, that value, `1` if there is a new value, that value, `1` if the owner is to be
/// recorded, rivals. Returns whether what was expected was there, or -1 if the name belongs to another owner.
pub(super) static EXCHANGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OWNER}
        if is_anothers(7) then return -1 end
        if redis.call('GET', KEYS[1]) ~= (ARGV[2] == '1' and ARGV[3]) then return 0 end
        if ARGV[4] == '1' then
          redis.call('SET', KEYS[1], ARGV[5])
          if ARGV[6] == '1' then redis.call('HSET', KEYS[2], KEYS[1], ARGV[1]) end
        else
          redis.call('HDEL', KEYS[2], KEYS[1])
          redis.call('DEL', KEYS[1])
        end
        return 1"
    ))
});

/// KEYS: the installation's four keys, the tenant's associations, and the association if there is one. ARGV: clientKey,
/// installation, channel, deadline, installationId. Returns 0 if the deadline has passed.
pub(super) static SAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{LATE}
        if late(ARGV[4]) then return 0 end
        local old, uninstalled = redis.call('EXISTS', KEYS[1]) == 1, redis.call('GET', KEYS[2])
        redis.call('SET', KEYS[1], ARGV[2])
        if old and uninstalled then redis.call('SET', KEYS[4], uninstalled) end
        if KEYS[6] then
          redis.call('SET', KEYS[6], ARGV[1])
          redis.call('SADD', KEYS[5], ARGV[5])
        end
        redis.call('DEL', KEYS[2], KEYS[3])
        redis.pcall('PUBLISH', ARGV[3], ARGV[1])
        return 1"
    ))
});

/// KEYS: the installation's four keys, the tenant's associations, associations that may be the tenant's. ARGV:
/// clientKey, now, channel, deadline. Returns whether there was an installation, or -1 if the deadline has passed.
pub(super) static UNINSTALL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{ASSOCIATION} {LATE}
        if late(ARGV[4]) then return -1 end
        local installation, uninstalled = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
        local associations = {{}}
        for _, id in ipairs(redis.call('SMEMBERS', KEYS[5])) do associations['installation:' .. id .. ';'] = true end
        for i = 6, #KEYS do associations[KEYS[i]] = true end
        local gone = {{}}
        for association in pairs(associations) do
          if is_ours(association) then table.insert(gone, association) end
        end
        if installation then
          redis.call('SET', KEYS[2], installation)
          redis.call('SET', KEYS[3], ARGV[2])
          if uninstalled then redis.call('SET', KEYS[4], uninstalled) end
          redis.call('DEL', KEYS[1])
        end
        for _, association in ipairs(gone) do redis.call('DEL', association) end
        redis.call('DEL', KEYS[5])
        redis.pcall('PUBLISH', ARGV[3], ARGV[1])
        return installation and 1 or 0"
    ))
});

/// KEYS: the installation's four keys, the tenant's associations, the owners, `n` associations, the tenant's further
/// values, and values of Forge installations. ARGV: clientKey, channel, `n`, the number of the tenant's values, since
/// when the tenant must be uninstalled (empty: no condition), and for each Forge value the index of its installation's
/// association. Returns how many keys were removed.
pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{ASSOCIATION}
        if ARGV[5] ~= '' then
          local since = redis.call('GET', KEYS[3])
          if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 0 or not since
            or not string.match(since, '^%d+$') or tonumber(since) > tonumber(ARGV[5]) then return 0 end
        end
        local n, values, gone, ours = tonumber(ARGV[3]), tonumber(ARGV[4]), 0, {{}}
        for i = 1, n do ours[i] = is_ours(KEYS[6 + i]) end
        local function drop(value)
          gone = gone + redis.call('DEL', value)
          redis.call('HDEL', KEYS[6], value)
        end
        for i = 7 + n + values, #KEYS do
          if ours[tonumber(ARGV[i - n - values - 1])] then drop(KEYS[i]) end
        end
        for i = 1, n do
          if ours[i] then gone = gone + redis.call('DEL', KEYS[6 + i]) end
        end
        for i = 7 + n, 6 + n + values do drop(KEYS[i]) end
        gone = gone + redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
        redis.call('DEL', KEYS[5])
        redis.pcall('PUBLISH', ARGV[2], ARGV[1])
        return gone"
    ))
});

/// KEYS: the association, the tenant's associations. ARGV: clientKey, installationId.
pub(super) static ASSOCIATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        redis.call('SET', KEYS[1], ARGV[1])
        redis.call('SADD', KEYS[2], ARGV[2])
        return 1",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::backends::Sandbox;

    #[test]
    #[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
    fn a_write_that_comes_too_late_is_not_done() {
        let sandbox = Sandbox::redis();
        let mut connection = ::redis::Client::open(sandbox.url()).unwrap().get_connection().unwrap();
        let (seconds, _): (u64, u64) = ::redis::cmd("TIME").query(&mut connection).unwrap();
        let (past, future) = ((seconds - 1) * 1000, (seconds + 60) * 1000);
        let mut run = |script: &Script, value: &str, limit: u64| -> i64 {
            let mut call = script.prepare_invoke();
            for key in ["installation", "uninstalled", "time", "superseded", "associated"] {
                call.key(key);
            }
            call.arg("acme").arg(value).arg("channel").arg(limit).invoke(&mut connection).unwrap()
        };
        assert_eq!(run(&SAVE, "first", future), 1);
        assert_eq!(run(&SAVE, "late", past), 0);
        assert_eq!(run(&UNINSTALL, "0", past), -1);
        let stored: String = ::redis::cmd("GET").arg("installation").query(&mut connection).unwrap();
        assert_eq!(stored, "first");
    }
}
