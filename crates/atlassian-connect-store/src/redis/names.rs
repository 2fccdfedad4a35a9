//! The Redis keys of atlassian-connect-express, and the owner of each.
//!
//! | Redis key | holds |
//! |---|---|
//! | `<clientKey>:<key>` | a value of a tenant |
//! | `forge:<installationId>:<key>` | a value of a Forge installation |
//! | `installation:<installationId>;` | the clientKey of the tenant that a Forge installation belongs to |
//!
//! Source: `lib/store/redis.js` of atlassian-connect-express 11.5.3. clientKeys, installationIds and keys may contain
//! colons, so one Redis key can belong to several pairs of names. These rules keep them apart:
//!
//! - No tenant is named `forge`, `installation` or [`OURS`], or has a name that begins with one of these and a colon.
//!   So the three forms and this framework's own keys never overlap.
//! - A Redis key that ends like an installation's key is that installation and nothing else. Pairs of names that would
//!   produce the same Redis key are refused.
//! - Any other Redis key belongs to its writer: the framework's hash [`OWNERS`] records who that was. Keys that ACE
//!   wrote are not in the hash. Such a key belongs to the longest possible name under which the add-on is installed.
//!
//! Refused means: writing is `StoreError::Refused`, reading finds nothing. Installations need no entry in the hash, so
//! ACE's and ours are the same. A value of the tenant `""` has a key that begins with a colon, and nothing else has.
//! Reading a name that only one pair can mean is one `GET`.

use crate::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, OwnerKind, Place,
    StoreError, fits,
};

/// The prefix of this framework's own Redis keys.
const OURS: &str = "atlassian-connect-actix";

/// A hash: Redis key -> the clientKey or installationId that the store wrote it for.
pub(super) const OWNERS: &str = "atlassian-connect-actix:owners";

/// The keys of an installation, active or not.
const OF_INSTALLATIONS: [&str; 4] =
    [CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, CLIENT_INFO_SUPERSEDED];

/// A set: the Forge installations that this store has associated with a tenant. Some may no longer be associated.
pub(super) fn associated(client_key: &str) -> String {
    // ends unlike any Redis key that ACE looks for: ACE reads all that end in `:clientInfo`
    format!("{OURS}:installations:{client_key};")
}

/// The Redis key of an association.
pub(super) fn association(installation_id: &str) -> String {
    format!("installation:{installation_id};")
}

/// The installationId of an association's Redis key.
pub(super) fn associated_id(redis_key: &str) -> Option<&str> {
    redis_key.strip_prefix("installation:")?.strip_suffix(';')
}

impl OwnerKind {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Tenant => "",
            Self::Forge => "forge:",
        }
    }

    /// The kind of owner of a Redis key, and the names in it.
    fn of_redis_key(redis_key: &str) -> Option<(Self, &str)> {
        match redis_key.split_once(':')? {
            ("forge", rest) => Some((Self::Forge, rest)),
            ("installation" | OURS, _) => None,
            _ => Some((Self::Tenant, redis_key)),
        }
    }

    fn can_own(self, owner: &str) -> bool {
        self == Self::Forge || !matches!(owner.split(':').next(), Some("forge" | "installation" | OURS))
    }

    /// For each owner the same number of Redis keys. If one of them exists, `owner` is a real owner.
    pub(super) fn proofs(self, owner: &str) -> Vec<String> {
        match self {
            Self::Tenant => [CLIENT_INFO, CLIENT_INFO_UNINSTALLED].map(|key| format!("{owner}:{key}")).into(),
            Self::Forge => vec![association(owner)],
        }
    }
}

/// The possible owners of a Redis key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// Only one owner is possible: the name, and the value's key.
    Known(&'a str, &'a str),
    /// One of these names, longest first.
    OneOf(Vec<&'a str>),
}

/// The kind and the possible owners of a Redis key. `None`: it is not a value of this framework or ACE.
pub(super) fn read(redis_key: &str) -> Option<(OwnerKind, Owner<'_>)> {
    let (kind, rest) = OwnerKind::of_redis_key(redis_key)?;
    if kind == OwnerKind::Tenant {
        let of_installation = OF_INSTALLATIONS.iter().find_map(|key| {
            let owner = rest.strip_suffix(key)?.strip_suffix(':')?;
            Some(Owner::Known(owner, key))
        });
        if let Some(known) = of_installation {
            return Some((kind, known));
        }
    }
    Some((kind, Owner::OneOf(rest.rmatch_indices(':').map(|(at, _)| &rest[..at]).collect())))
}

/// The Redis key of a value, with what is needed to find its owner.
#[derive(Debug)]
pub(super) struct Spot<'a> {
    pub redis_key: String,
    pub owner: &'a str,
    /// All possible owners, including `owner`, longest first. Empty if only `owner` is possible.
    rivals: Vec<String>,
    /// For each rival the same number of keys, in the same order.
    proofs: Vec<String>,
    /// Whether the hash of owners must record it. Otherwise its form shows the owner.
    pub is_recorded: bool,
}

impl<'a> Spot<'a> {
    /// `None` if no value can exist under these names: they are invalid, or their form belongs to another owner.
    pub(super) fn new(place: Place<'a>) -> Option<Self> {
        let (kind, owner, key) = (place.kind(), place.owner(), place.key());
        if !fits(owner) || !fits(key) || !kind.can_own(owner) {
            return None;
        }
        let redis_key = format!("{}{owner}:{key}", kind.prefix());
        let (mut rivals, mut proofs, mut is_recorded) = (Vec::new(), Vec::new(), true);
        match read(&redis_key)?.1 {
            Owner::Known(known, _) if known == owner => is_recorded = false,
            Owner::Known(..) => return None,
            Owner::OneOf(names) if names.len() == 1 => {}
            Owner::OneOf(names) => {
                proofs = names.iter().flat_map(|name| kind.proofs(name)).collect();
                rivals = names.into_iter().map(str::to_owned).collect();
            }
        }
        Some(Self { redis_key, owner, rivals, proofs, is_recorded })
    }

    /// Like [`Spot::new`], for a write.
    pub(super) fn writable(place: Place<'a>) -> Result<Self, StoreError> {
        crate::check_keys(&[place.owner(), place.key()])?;
        Self::new(place).ok_or_else(|| {
            let (owner, key) = (shortened(place.owner()), shortened(place.key()));
            StoreError::refused(format!(
                "{key:?} of {owner:?} cannot be told apart from another owner's value in Redis"
            ))
        })
    }

    pub(super) fn is_contested(&self) -> bool {
        !self.rivals.is_empty()
    }

    /// In the order that [`super::scripts`] expect: the value, the hash of owners, the proofs.
    pub(super) fn redis_keys(&self) -> impl Iterator<Item = &str> {
        [self.redis_key.as_str(), OWNERS].into_iter().chain(self.proofs.iter().map(String::as_str))
    }

    pub(super) fn rivals(&self) -> impl Iterator<Item = &str> {
        self.rivals.iter().map(String::as_str)
    }
}

/// Checks whether a tenant may have this clientKey in Redis.
pub(super) fn check_owner(client_key: &str) -> Result<(), StoreError> {
    Spot::writable(Place::of_tenant(client_key, CLIENT_INFO)).map(drop)
}

/// A name, shortened for an error.
fn shortened(name: &str) -> String {
    name.chars().take(60).collect()
}

/// `name` as a SCAN pattern that matches only itself.
pub(super) fn literal(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut pattern, c| {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(c);
        pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot<'a>(owner: &'a str, key: &'a str) -> Option<Spot<'a>> {
        Spot::new(Place::of_tenant(owner, key))
    }

    #[test]
    fn the_forms_are_those_of_ace() {
        assert_eq!(spot("jira:1b6b", "clientInfo").unwrap().redis_key, "jira:1b6b:clientInfo");
        let ari = "ari:cloud:ecosystem::installation/1b6b";
        assert_eq!(
            Spot::new(Place::of_forge(ari, "appToken")).unwrap().redis_key,
            "forge:ari:cloud:ecosystem::installation/1b6b:appToken"
        );
        assert_eq!(association(ari), "installation:ari:cloud:ecosystem::installation/1b6b;");
        assert_eq!(associated_id(&association(ari)), Some(ari));
    }

    #[test]
    fn installations_are_recognized_by_their_form() {
        for key in OF_INSTALLATIONS {
            for owner in ["tenant", "jira:1b6b", "", "a:clientInfo", "clientInfo"] {
                let spot = spot(owner, key).unwrap();
                assert!(!spot.is_contested() && !spot.is_recorded, "{owner:?} {key}");
                assert_eq!(read(&spot.redis_key), Some((OwnerKind::Tenant, Owner::Known(owner, key))));
            }
        }
        for (owner, key) in [
            ("x", "y:clientInfo"),
            ("x", "y:clientInfo:uninstalled"),
            ("x", "clientInfo:clientInfo"),
            ("x", ":clientInfo"),
            ("", "y:clientInfo"),
            ("x:clientInfo", "uninstalled"),
            ("x:clientInfo", "uninstalledAt"),
            ("clientInfo", "superseded:clientInfo"),
            ("y:clientInfo", "superseded"),
        ] {
            assert!(spot(owner, key).is_none(), "{owner:?} {key:?}");
        }
        // what only looks like it
        for (owner, key) in [("x", "clientInfoX"), ("x", "xclientInfo"), ("x", "clientInfo:other"), ("clientInfo", "x")]
        {
            assert!(spot(owner, key).unwrap().is_recorded, "{owner:?} {key:?}");
        }
    }

    #[test]
    fn no_tenant_is_called_like_another_form() {
        for owner in ["forge", "forge:id", "installation", "installation:id", OURS, "atlassian-connect-actix:owners"] {
            for key in ["key", "id;", "id:key", CLIENT_INFO] {
                assert!(spot(owner, key).is_none(), "{owner} {key}");
            }
            assert!(Spot::new(Place::of_forge(owner, "key")).is_some());
        }
        for owner in ["forger", "installations", "Forge", " forge", ":forge"] {
            assert!(spot(owner, "key").is_some(), "{owner}");
        }
    }

    #[test]
    fn each_way_to_read_a_key_is_a_rival() {
        let value = spot("a:b", "c:d").unwrap();
        assert_eq!(value.rivals().collect::<Vec<_>>(), ["a:b:c", "a:b", "a"]);
        assert_eq!(value.redis_keys().count(), 2 + 3 * 2);
        assert!(!spot("a", "b").unwrap().is_contested());
        assert!(!Spot::new(Place::of_forge("a", "b")).unwrap().is_contested());
        let value = Spot::new(Place::of_forge("a:b", "c")).unwrap();
        assert_eq!(
            value.redis_keys().collect::<Vec<_>>(),
            ["forge:a:b:c", OWNERS, "installation:a:b;", "installation:a;"]
        );
    }

    #[test]
    fn other_redis_keys_are_not_read_as_values() {
        for redis_key in ["session", "installation:a;", "atlassian-connect-actix:owners", ""] {
            assert_eq!(read(redis_key), None, "{redis_key}");
        }
    }

    #[test]
    fn patterns_mean_themselves() {
        assert_eq!(literal("jira:a*b?[c]\\"), "jira:a\\*b\\?\\[c\\]\\\\");
    }
}
