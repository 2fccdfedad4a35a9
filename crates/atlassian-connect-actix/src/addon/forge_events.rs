//! The lifecycle events of a Forge app, as types. Listen to product events by their names.

use std::sync::Arc;

use serde_json::Value;

use super::events::{Event, ListenerError, Occurrence, has_occurrence};
use crate::emission::{ForgeOrigin, forge_names as names};

macro_rules! life_cycle {
    ($($(#[$doc:meta])* $type:ident = $name:expr),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct $type {
            /// The installation's ARI, from the invocation token.
            pub installation_id: String,
            /// Where the event comes from, from the invocation token.
            pub origin: Arc<ForgeOrigin>,
            /// The body that Forge sent.
            pub body: Arc<Value>,
            occurrence: Occurrence,
        }

        has_occurrence!($type);

        impl Event for $type {
            const NAME: &'static str = $name;

            fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
                let origin = occurrence.forge.clone().ok_or("Forge did not send this event")?;
                // the event's own `id` names the same installation in another form, but is not signed
                let installation_id = origin.installation_id.clone();
                Ok(Self { installation_id, origin, body: Arc::clone(&occurrence.body), occurrence: occurrence.clone() })
            }
        }
    )*};
}

life_cycle! {
    /// The app was installed. The product's API may answer 401 and 403 for a few minutes.
    AppInstalled = names::INSTALLED,
    /// An installation was upgraded to another major version.
    AppUpgraded = names::UPGRADED,
    /// The app is about to be uninstalled. Its token is still valid now. A failing listener does not stop the
    /// uninstall.
    PreUninstall = names::PRE_UNINSTALL,
}
