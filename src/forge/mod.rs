//! What a Forge app needs beyond the proof of an invocation ([`crate::auth::ForgeInvocation`]) and a client
//! ([`crate::host`]): one tenant by either door, and the platform's events.

mod any_caller;
mod association;

pub use any_caller::AnyCaller;
