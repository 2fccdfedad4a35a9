//! Which Forge installations have been looked at lately, so that an invocation costs one look into memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// The most installations that are remembered. One that is forgotten is looked up in the store again.
const CAPACITY: u64 = 100_000;
/// The longest time for which an installation is remembered.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an installation counts as being worked on.
const UNDER_WAY: Duration = Duration::from_secs(15 * 60);
/// The most installations that wait for their turn. The rest is looked at after their next invocation.
const WAITING: usize = 4096;
/// How many are worked on at once: some sites do not answer.
const AT_ONCE: usize = 32;

/// What an invocation brings to find out the tenant, and how far that led; in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Means {
    /// Only what its token says.
    Claims,
    /// A token of the app that came with a page. Its user may have sent anything.
    PageToken,
    /// A token of the app that Forge itself sent.
    AppToken,
    /// The tenant is known.
    Tenant,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    until: Instant,
    means: Means,
}

/// See the module.
#[derive(Debug)]
pub struct Associations {
    looks: Cache<String, Look>,
    waiting: Arc<AtomicUsize>,
    places: Semaphore,
    line: Mutex<()>,
}

impl Associations {
    pub(super) fn new() -> Self {
        Self {
            looks: Cache::builder().max_capacity(CAPACITY).time_to_live(LONGEST).build(),
            waiting: Arc::default(),
            places: Semaphore::new(AT_ONCE),
            line: Mutex::new(()),
        }
    }

    /// Whether it is time to look at this installation with these means. If so, it counts as being worked on until
    /// [`Associations::rest`].
    pub(crate) fn begin(&self, installation_id: &str, means: Means) -> Option<Waiting> {
        let is_known = |look: &Look| look.means >= means && Instant::now() < look.until;
        if self.looks.get(installation_id).as_ref().is_some_and(is_known) {
            return None;
        }
        let waiting = Waiting::enter(&self.waiting)?;
        self.looks.insert(installation_id.to_owned(), Look { until: Instant::now() + UNDER_WAY, means });
        Some(waiting)
    }

    /// Waits for a place to work; `None` at the end of the process.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// Waits to be the only one of this node that takes a turn to ask a site.
    pub(crate) async fn line(&self) -> MutexGuard<'_, ()> {
        self.line.lock().await
    }

    /// Does not look at the installation for this long, but for an invocation with better means. It is looked at again at
    /// once if something has happened since [`Associations::begin`].
    pub(crate) fn rest(&self, installation_id: &str, means: Means, rest: Duration) {
        if !self.looks.contains_key(installation_id) {
            return;
        }
        self.looks.insert(installation_id.to_owned(), Look { until: Instant::now() + rest.min(LONGEST), means });
    }

    /// Looks at the installation again with its next invocation.
    pub(crate) fn wake(&self, installation_id: &str) {
        self.looks.invalidate(installation_id);
    }

    /// Whether no installation waits or is worked on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// The same for all.
    pub fn wake_all(&self) {
        self.looks.invalidate_all();
    }
}

/// One of those that wait or are worked on.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn enter(count: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |waiting| (waiting < WAITING).then_some(waiting + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Self(Arc::clone(count)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_looked_at_once_and_again_with_better_means() {
        let all = Associations::new();
        let began = |means| all.begin("i", means).is_some();
        assert_eq!([began(Means::PageToken), began(Means::PageToken), began(Means::Claims)], [true, false, false]);
        assert!(began(Means::AppToken));
        all.rest("i", Means::AppToken, Duration::from_secs(60));
        assert_eq!([began(Means::AppToken), began(Means::Tenant)], [false, true]);
        all.rest("i", Means::Tenant, Duration::ZERO);
        assert!(began(Means::Claims), "the time is over");
        all.wake("i");
        all.rest("i", Means::Tenant, Duration::from_secs(60));
        assert!(began(Means::Claims), "it was woken while it was worked on");
    }

    #[test]
    fn those_that_wait_are_bounded() {
        let all = Associations::new();
        let waiting: Vec<_> = (0..WAITING + 10).filter_map(|n| all.begin(&n.to_string(), Means::Claims)).collect();
        assert_eq!(waiting.len(), WAITING);
        assert!(all.begin("another", Means::AppToken).is_none());
        drop(waiting);
        assert!(all.begin("another", Means::AppToken).is_some());
    }
}
