//! Who is told about each request to the add-on.

use std::sync::OnceLock;

use super::Addon;
use crate::middleware::Observer;

/// The observer, once it has been decided whether there is one.
pub(super) type Slot = OnceLock<Option<Observer>>;

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
    pub fn observe(&self, observer: Observer) -> Result<(), ObserverError> {
        self.observer.set(Some(observer)).map_err(|_| match self.observer.get() {
            Some(Some(_)) => ObserverError::Taken,
            _ => ObserverError::Mounted,
        })
    }

    /// The add-on is being mounted: from now on it takes no observer, and nothing in front of Atlassian's sources.
    pub(super) fn mounted(&self) -> Option<Observer> {
        self.state.fix_sources();
        self.observer.get_or_init(|| None).clone()
    }
}
