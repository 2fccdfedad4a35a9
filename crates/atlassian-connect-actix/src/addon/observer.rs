//! The observer of requests.

use super::Addon;
use crate::observer::Observer;

/// Why an observer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObserverError {
    /// There can be only one.
    #[error("the add-on already has an observer")]
    Taken,
    /// The middleware is mounted with the routes.
    #[error("the add-on is already mounted: set the observer before Addon::configure or Addon::serve")]
    Mounted,
}

impl Addon {
    /// Calls `observer` for each request, once it has been answered. Set it before [`Addon::configure`] or
    /// [`Addon::serve`]. Without one, no middleware is mounted for it.
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

    /// Marks the add-on as mounted: from now on it accepts no observer and no further key sources.
    pub(super) fn mounted(&self) -> Option<Observer> {
        self.state.fix_sources();
        self.state.observer().get_or_init(|| None).clone()
    }
}
