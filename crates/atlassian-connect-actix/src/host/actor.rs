//! In whose name requests are sent, and to which site.

use actix_web::web;

use super::site::Site;
use crate::state::State;

/// In whose name a request is sent.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// Signed with the tenant's secret; through Forge with the app's token.
    Addon,
    /// With a token of this user.
    User { account_id: String, scopes: Vec<String> },
    /// Without credentials.
    Anonymous,
}

/// Who sends, and to which site. Cheap to clone.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) state: web::Data<State>,
    pub(super) site: Site,
    pub(super) identity: Identity,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actor").field("site", &self.site.name()).finish_non_exhaustive()
    }
}
