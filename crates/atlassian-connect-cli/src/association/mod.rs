//! Which Forge installation belongs to which Connect tenant: `tenants associate` and `tenants migration`.

mod associate;
mod counts;
mod deployment;
mod end_of_connect;
mod json;
mod kept;
mod of_tenant;
mod origin;
mod overview;
mod pace;
mod report;
mod settle;
mod site;
mod standing;
mod tenant;
mod text;
mod walk;

pub(super) use associate::{Arguments, run};
pub(super) use kept::Kept;
pub(super) use of_tenant::OfTenant;
pub(super) use report::{counted, migration};
