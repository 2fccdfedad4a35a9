//! What a Forge app needs beyond the authentication of an invocation ([`crate::auth::ForgeInvocation`]) and a client
//! ([`crate::host`]): one tenant through Connect and Forge, the platform's events, a site's move to another region, and
//! bodies that others than Forge sign.

mod any_caller;
mod body;
pub(crate) mod cors;
mod endpoint;
mod ledger;
mod migration;
pub(crate) mod pages;
pub(crate) mod shell;
mod signed_body;
pub(crate) mod worker;

pub use any_caller::AnyCaller;
pub use body::ForgeBody;
pub use endpoint::{events, pre_uninstall};
pub use migration::{
    Migration, MigrationCode, MigrationFailure, MigrationPlan, MigrationStatus, RealmMigration, realm_migration,
};
pub use signed_body::{SignedBody, SigningSecret};
