//! The queue of Forge's events, for a store that has one of its own.
//!
//! An event waits until a node has processed it, and is done afterwards. A waiting event has a lease: until it ends, no
//! other node takes the event. Times are seconds since 1970, and come from the caller.

use std::ops::Range;

use async_trait::async_trait;
use serde_json::Value;

use crate::{StoreError, fits};

/// An event to be written to a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedEvent {
    /// 1 to 65 visible ASCII characters.
    pub id: String,
    /// The Forge installation that it is about.
    pub installation_id: String,
    /// How often it has been tried without success.
    pub attempts: u32,
    /// What its reader needs to process it. A [`crate::Store`] with encryption keys encrypts it.
    pub body: Value,
}

/// An event that was taken over.
#[derive(Debug, Clone)]
pub struct TakenEvent {
    /// The event's id.
    pub id: String,
    /// The Forge installation that it is about.
    pub installation_id: String,
    /// How often it has been tried without success.
    pub attempts: u32,
    /// The event's body. An error concerns this event only: its body cannot be read or decrypted.
    pub body: Result<Value, StoreError>,
}

/// An event that was found by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvent {
    /// The event's id.
    pub id: String,
    /// When it was done. `None`: it waits.
    pub done: Option<u64>,
}

/// A queue of events that several nodes share. Implement it beside [`crate::Store`] if the backend can do each of these
/// atomically, and return it from [`crate::Store::events`].
///
/// Writing an event whose id has no valid form, or whose installation's id is no name, is [`StoreError::Refused`]. Every
/// other method does nothing for such an id, and finds nothing.
#[async_trait]
pub trait EventQueue: Send + Sync {
    /// Adds a waiting event with a lease until `until`. Returns `false`, and changes nothing, if the queue has an event
    /// with this id. One that was done before `done_before` does not count: it is replaced.
    async fn add(&self, event: &QueuedEvent, until: u64, done_before: u64) -> Result<bool, StoreError>;

    /// Sets the end of a waiting event's lease, and its number of attempts. With `until` 0 any node may take the event.
    /// Returns `false`, and changes nothing, if no such event waits. An event that is done stays done.
    async fn renew(&self, id: &str, attempts: u32, until: u64) -> Result<bool, StoreError>;

    /// Marks an event as done at `at`, and drops its body. Does nothing if there is no such event.
    async fn finish(&self, id: &str, at: u64) -> Result<(), StoreError>;

    /// The events whose id begins with `start`, in the order of their ids. All of them: so `start` should be long.
    async fn find(&self, start: &str) -> Result<Vec<FoundEvent>, StoreError>;

    /// Takes over at most `limit` waiting events whose lease ended before `ended`, those first that ended first. Each
    /// gets a lease until `until`, which must not be before `ended`. Of several calls at the same time, one gets an
    /// event; the others may get fewer than there are.
    async fn take_over(&self, ended: u64, until: u64, limit: usize) -> Result<Vec<TakenEvent>, StoreError>;

    /// Removes the events that were done before `before`. Returns their number.
    async fn forget(&self, before: u64) -> Result<u64, StoreError>;
}

/// The longest id.
const ID_LENGTH: usize = 65;

/// Whether `id` can be the id of an event. Only such characters compare alike in every backend.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=ID_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(crate) fn check(event: &QueuedEvent) -> Result<(), StoreError> {
    if is_id(&event.id) && fits(&event.installation_id) {
        return Ok(());
    }
    Err(StoreError::refused(format!(
        "an event's id must have 1 to {ID_LENGTH} visible ASCII characters, and the id of its installation at most 255 \
         without a NUL"
    )))
}

/// The ids that begin with `start`, as a range. `None`: no id does.
pub(crate) fn ids_from(start: &str) -> Option<Range<String>> {
    // DEL is the character after the last one of an id
    is_id(start).then(|| start.to_owned()..format!("{start}\u{7f}"))
}

/// A time as the databases store it.
pub(crate) fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The stored text of a body as JSON. The error names the event, never its body.
pub(crate) fn parse(id: &str, text: Option<&str>) -> Result<Value, StoreError> {
    let invalid = || StoreError::refused(format!("the body of the event {id:?} is not valid JSON"));
    serde_json::from_str(text.ok_or_else(invalid)?).map_err(|error| invalid().caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_visible_ascii_characters() {
        for id in ["a", "~", "content.token", &"x".repeat(65)] {
            assert!(is_id(id), "{id}");
            let ids = ids_from(id).unwrap();
            let has = |id: &str| ids.contains(&id.to_owned());
            assert!(has(id) && has(&format!("{id}~~")) && !has(&format!("!{id}")), "{ids:?}");
        }
        for id in ["", " ", "a b", "a\0", "é", "a\u{7f}", &"x".repeat(66)] {
            assert!(!is_id(id) && ids_from(id).is_none(), "{id}");
        }
    }
}
