//! Which Forge installation belongs to which Connect tenant.
//!
//! Every verified invocation is observed ([`observe`]). In the background, and for one installation at most once a day,
//! this finds the tenant: by the installation (Connect's `installed` callback named it), by the site (another
//! installation was associated before), or by asking the site for its clientKey, which needs the app's token. What is
//! found is stored for the installation and for the site, and the settings of the site follow ([`join`]).
//!
//! Requests never wait for this. They look up what is stored.

mod ask;
mod draft;
mod join;
mod moving;
mod observe;
mod pace;
mod record;
mod site_origin;

pub use ask::{CLIENT_KEY_PROPERTY, END_OF_CONNECT};
pub use join::{Joined, associate_installation, join};
pub(crate) use join::{bring_settings, end_installation};
pub(crate) use observe::{Observed, SiteOf, observe};
pub use pace::turn_of;
pub use record::*;
