//! The modules that product pages show: by their `localId` the gateway knows what a call is about.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::user::User;

/// Views that are kept. Who leaves so many pages open has to load the first one again.
const CAPACITY: usize = 1000;

/// A module that is shown to a user.
#[derive(Debug)]
pub(crate) struct View {
    pub(super) local_id: String,
    /// The site's key.
    pub(super) site: &'static str,
    pub(super) user: User,
    pub(super) is_licensed: bool,
    /// The claim `context` of its invocations.
    pub(super) context: Value,
}

/// All of them, the oldest first.
#[derive(Default)]
pub(crate) struct Views(Mutex<VecDeque<Arc<View>>>);

impl Views {
    pub(super) fn keep(&self, view: View) {
        let mut views = self.0.lock();
        if views.len() == CAPACITY {
            views.pop_front();
        }
        views.push_back(Arc::new(view));
    }

    pub(super) fn find(&self, local_id: &str) -> Option<Arc<View>> {
        self.0.lock().iter().find(|view| view.local_id == local_id).cloned()
    }
}
