//! Who is told about each request to the add-on.

use super::Addon;
use crate::observer::Observer;

/// Why an observer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObserverError {
    /// There is at most one.
    #[error("the add-on has an observer already")]
    Taken,
    /// The middleware is mounted with the routes.
    #[error("the add-on is mounted already: set the observer before Addon::configure or Addon::serve")]
    Mounted,
}

impl Addon {
    /// Calls `observer` with each request, once it has been answered: set it before [`Addon::configure`] or
    /// [`Addon::serve`]. Without an observer nothing is mounted for it.
    ///
    /// # Errors
    /// [`ObserverError`].
    #[doc(hidden)]
    pub fn observe(&self, observer: Observer) -> Result<(), ObserverError> {
        let slot = self.state.observer();
        slot.set(Some(observer)).map_err(|_| match slot.get() {
            Some(Some(_)) => ObserverError::Taken,
            _ => ObserverError::Mounted,
        })
    }

    /// The add-on is being mounted: from now on it takes no observer, and nothing in front of Atlassian's sources.
    pub(super) fn mounted(&self) -> Option<Observer> {
        self.state.fix_sources();
        self.state.observer().get_or_init(|| None).clone()
    }
}
