//! The identity of a request, and the site to which it goes.

use actix_web::web;

use super::site::HostSite;
use crate::state::State;

/// The identity with which a request is sent.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// The add-on: signed with the tenant's secret, through Forge with the app's token.
    Addon,
    /// This user, with the user's token.
    User { account_id: String, scopes: Vec<String> },
    /// Nobody: without credentials.
    Anonymous,
}

/// The sender of a request and the site to which it goes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) state: web::Data<State>,
    pub(super) site: HostSite,
    pub(super) identity: Identity,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actor").field("site", &self.site.name()).finish_non_exhaustive()
    }
}
