//! The life of a Forge app as typed events. Product events are listened to by their names.

use std::sync::Arc;

use serde_json::Value;

use crate::events::{Event, ForgeOrigin, ListenerError, Occurrence};

/// Names of events that every Forge app has to do with.
///
/// Source: Atlassian, "Forge life cycle events".
pub mod names {
    /// The app was installed.
    pub const INSTALLED: &str = "avi:forge:installed:app";
    /// An installation was upgraded to another major version.
    pub const UPGRADED: &str = "avi:forge:upgraded:app";
    /// The app is about to be uninstalled; Forge's own events do not name it.
    pub const PRE_UNINSTALL: &str = "forge:preUninstall";
}

/// What stands before an installation's id in its ARI.
const INSTALLATION_ARI: &str = "ari:cloud:ecosystem::installation/";

macro_rules! life_cycle {
    ($($(#[$doc:meta])* $type:ident = $name:expr),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct $type {
            /// The installation's ARI, whatever form the event has it in.
            pub installation_id: String,
            /// Where the event comes from, by the invocation's token.
            pub origin: Arc<ForgeOrigin>,
            /// What Forge sent.
            pub body: Arc<Value>,
        }

        impl Event for $type {
            const NAME: &'static str = $name;

            fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
                let origin = occurrence.forge.clone().ok_or("it is no event of Forge's")?;
                let installation_id = installation_id(&occurrence.body, &origin);
                Ok(Self { installation_id, origin, body: Arc::clone(&occurrence.body) })
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

/// Events have bare ids where tokens have ARIs.
fn installation_id(body: &Value, origin: &ForgeOrigin) -> String {
    match body.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(id) if id.starts_with("ari:") => id.to_owned(),
        Some(id) => format!("{INSTALLATION_ARI}{id}"),
        None => origin.installation_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_installation_has_one_form_of_its_id() {
        let origin =
            Arc::new(ForgeOrigin { installation_id: format!("{INSTALLATION_ARI}token"), ..Default::default() });
        for (body, id) in [
            (json!({ "id": "bare" }), "ari:cloud:ecosystem::installation/bare"),
            (json!({ "id": "ari:cloud:ecosystem::installation/x" }), "ari:cloud:ecosystem::installation/x"),
            (json!({}), "ari:cloud:ecosystem::installation/token"),
            (json!({ "id": 7 }), "ari:cloud:ecosystem::installation/token"),
        ] {
            let occurrence = Occurrence::of_forge("e", None, Arc::clone(&origin), Arc::new(body));
            assert_eq!(AppInstalled::read(&occurrence).unwrap().installation_id, id);
        }
        assert!(AppInstalled::read(&Occurrence::new("e", None, json!({}))).is_err());
    }
}
