//! The life of a Forge app as typed events. Product events are listened to by their names.

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
            /// The installation's ARI, by the invocation's token.
            pub installation_id: String,
            /// Where the event comes from, by the invocation's token.
            pub origin: Arc<ForgeOrigin>,
            /// What Forge sent.
            pub body: Arc<Value>,
            occurrence: Occurrence,
        }

        has_occurrence!($type);

        impl Event for $type {
            const NAME: &'static str = $name;

            fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
                let origin = occurrence.forge.clone().ok_or("it is no event of Forge's")?;
                // the event's own `id` is the same in another form, and signed by nobody
                let installation_id = origin.installation_id.clone();
                Ok(Self { installation_id, origin, body: Arc::clone(&occurrence.body), occurrence: occurrence.clone() })
            }
        }
    )*};
}

life_cycle! {
    /// The app was installed. The product's API may answer 401 and 403 for some minutes.
    AppInstalled = names::INSTALLED,
    /// An installation was upgraded to another major version.
    AppUpgraded = names::UPGRADED,
    /// The app is about to be uninstalled: the last moment that its token is good for. A failure stops nothing.
    PreUninstall = names::PRE_UNINSTALL,
}
