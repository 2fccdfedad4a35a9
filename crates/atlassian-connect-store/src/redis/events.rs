//! The queue of events in Redis: sorted sets by time and by id, and a hash with what an event consists of.
//!
//! Every change is a script, so it is atomic, and of several nodes one gets an event. For the order of the writes in a
//! script see [`super::scripts`].

use std::sync::LazyLock;

use ::redis::{Script, ScriptInvocation};
use async_trait::async_trait;

use super::RedisStore;
use crate::StoreError;
use crate::events::{EventQueue, FoundEvent, QueuedEvent, TakenEvent, check, ids_from, is_id, parse, seconds};

/// The keys that each script gets, in this order: a hash with the installation (`i:<id>`), the attempts (`a:<id>`) and
/// the body (`b:<id>`) of each event that waits; the ids of those that wait, by the ends of their leases; the ids of
/// those that are done, by their times; all ids, in the order of their bytes.
const KEYS: [&str; 4] = [
    "atlassian-connect-actix:events",
    "atlassian-connect-actix:events:waiting",
    "atlassian-connect-actix:events:done",
    "atlassian-connect-actix:events:ids",
];

/// ARGV: id, the end of the lease, the time before which a done event does not count, installation, attempts, body.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local id = ARGV[1]
        local done = redis.call('ZSCORE', KEYS[3], id)
        if redis.call('ZSCORE', KEYS[2], id) or done and tonumber(done) >= tonumber(ARGV[3]) then return 0 end
        redis.call('HSET', KEYS[1], 'i:' .. id, ARGV[4], 'a:' .. id, ARGV[5], 'b:' .. id, ARGV[6])
        redis.call('ZADD', KEYS[4], 0, id)
        redis.call('ZADD', KEYS[2], ARGV[2], id)
        redis.call('ZREM', KEYS[3], id)
        return 1",
    )
});

/// ARGV: id, attempts, the end of the lease.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
        redis.call('HSET', KEYS[1], 'a:' .. ARGV[1], ARGV[2])
        redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
        return 1",
    )
});

/// ARGV: id, time. Begins with what frees memory, so that a full one does not keep an event waiting.
static FINISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local id = ARGV[1]
        local waits = redis.call('ZSCORE', KEYS[2], id)
        if not waits and not redis.call('ZSCORE', KEYS[3], id) then return 0 end
        redis.call('HDEL', KEYS[1], 'i:' .. id, 'a:' .. id, 'b:' .. id)
        redis.call('ZREM', KEYS[2], id)
        redis.call('ZADD', KEYS[3], ARGV[2], id)
        return 1",
    )
});

/// ARGV: the range of ids. Returns each id, and when it was done, or nothing.
static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local found = {}
        for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[4], '[' .. ARGV[1], '(' .. ARGV[2])) do
          table.insert(found, id)
          table.insert(found, redis.call('ZSCORE', KEYS[3], id) or '')
        end
        return found",
    )
});

/// ARGV: the time before which a lease must have ended, the end of the new one, the limit. Returns each id with its
/// installation, attempts and body, which are empty if another program has removed them.
static TAKE_OVER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local taken = {}
        for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[3])) do
          local of = redis.call('HMGET', KEYS[1], 'i:' .. id, 'a:' .. id, 'b:' .. id)
          redis.call('ZADD', KEYS[2], ARGV[2], id)
          for _, text in ipairs({ id, of[1] or '', of[2] or '', of[3] or '' }) do table.insert(taken, text) end
        end
        return taken",
    )
});

/// How many events one script forgets: nobody else is served meanwhile.
const AT_ONCE: u64 = 1000;

/// ARGV: the time before which an event must have been done, the limit. Returns how many are gone.
static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local ids = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
        for _, id in ipairs(ids) do
          redis.call('ZREM', KEYS[4], id)
          redis.call('ZREM', KEYS[3], id)
        end
        return #ids",
    )
});

fn prepared(script: &Script) -> ScriptInvocation<'_> {
    let mut script = script.prepare_invoke();
    script.key(&KEYS);
    script
}

#[async_trait]
impl EventQueue for RedisStore {
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError> {
        check(event)?;
        let mut script = prepared(&ADD);
        script.arg(&event.id).arg(seconds(until)).arg(seconds(done_before));
        script.arg(&event.installation_id).arg(event.attempts).arg(event.body.to_string());
        self.client.write(&script).await
    }

    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError> {
        let mut script = prepared(&RENEW);
        script.arg(id).arg(attempts).arg(seconds(until));
        if is_id(id) { self.client.write(&script).await } else { Ok(false) }
    }

    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError> {
        let mut script = prepared(&FINISH);
        script.arg(id).arg(seconds(at));
        if is_id(id) { self.client.write::<bool>(&script).await.map(drop) } else { Ok(()) }
    }

    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError> {
        let Some(ids) = ids_from(start) else { return Ok(Vec::new()) };
        let mut script = prepared(&FIND);
        script.arg(ids.start).arg(ids.end);
        let found: Vec<(String, String)> = self.client.ask_script(&script).await?;
        let found = found.into_iter().map(|(id, done)| {
            // Redis writes a time that is far too late as a power of ten
            let done = (!done.is_empty()).then(|| done.parse().unwrap_or(u64::MAX));
            FoundEvent { id, done }
        });
        Ok(found.collect())
    }

    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError> {
        let mut script = prepared(&TAKE_OVER);
        script.arg(seconds(ended)).arg(seconds(until)).arg(i64::try_from(limit).unwrap_or(i64::MAX));
        let taken: Vec<(String, String, String, String)> = self.client.write(&script).await?;
        let taken = taken.into_iter().map(|(id, installation_id, attempts, body)| {
            let body = parse(&id, Some(&body));
            TakenEvent { id, installation_id, attempts: attempts.parse().unwrap_or_default(), body }
        });
        Ok(taken.collect())
    }

    async fn forget(&self, before: u64) -> Result<u64, StoreError> {
        let mut script = prepared(&FORGET);
        script.arg(seconds(before)).arg(AT_ONCE);
        let mut all = 0_u64;
        loop {
            let gone: u64 = self.client.write(&script).await?;
            all = all.saturating_add(gone);
            if gone < AT_ONCE {
                return Ok(all);
            }
        }
    }
}
