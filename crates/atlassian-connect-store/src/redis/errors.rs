//! What Redis answers instead of a result.

use ::redis::{ErrorKind, RedisError};

use crate::StoreError;
use crate::redact::without_values;

/// Classifies an error of a working connection: temporary, for the operator, or other. Redis repeats what it was sent
/// if it does not know a command, so only names of commands are shown.
pub(super) fn describe(error: RedisError) -> StoreError {
    let text =
        without_values(&error.to_string(), |word| is_command(word) || code_of(&error) == Some(word)).into_owned();
    let described = match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => StoreError::configuration(text),
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "MISCONF" | "OOM" | "TRYAGAIN" | "CLUSTERDOWN") => {
            StoreError::unavailable(text)
        }
        _ if error.is_io_error() => StoreError::unavailable(text),
        _ if error.kind() == ErrorKind::AuthenticationFailed => StoreError::configuration(text),
        _ => StoreError::refused(text),
    };
    described.caused_by(error)
}

/// The server's word for an error. A script may choose it, so it is none unless it looks like one of Redis.
pub(in super::super) fn code_of(error: &RedisError) -> Option<&str> {
    error.code().filter(|word| word.len() <= 16 && word.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Whether `word` is a command that the store uses.
fn is_command(word: &str) -> bool {
    let commands = [
        "DEL",
        "EVAL",
        "EVALSHA",
        "EXISTS",
        "GET",
        "HDEL",
        "HGET",
        "HMGET",
        "HSCAN",
        "HSET",
        "MGET",
        "PING",
        "PUBLISH",
        "SCAN",
        "SCRIPT",
        "SCRIPT|LOAD",
        "SELECT",
        "SET",
        "SUBSCRIBE",
        "TIME",
        "TYPE",
        "ZADD",
        "ZRANGE",
        "ZREM",
    ];
    commands.iter().any(|command| command.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::backends::shown;

    #[test]
    fn what_redis_repeats_is_not_in_the_error() {
        let said = |text: &str| {
            let refused = ::redis::parse_redis_value(text.as_bytes()).unwrap().extract_error().unwrap_err();
            let error = describe(refused);
            assert!(!shown(&error).contains("hush"), "{}", shown(&error));
            error.to_string()
        };
        let unknown = said("-ERR unknown command 'EVALSHA', with args beginning with: 'hush' 'hush' \r\n");
        assert!(unknown.contains("unknown command 'EVALSHA', with args beginning with: '…"), "{unknown}");
        let denied = said("-NOPERM User addon has no permissions to run the 'eval' command\r\n");
        assert!(denied.contains("to run the 'eval' command"), "{denied}");
    }
}
