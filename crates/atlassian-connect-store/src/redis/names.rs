//! The Redis keys of atlassian-connect-express, and whose each of them is.
//!
//! | Redis key | holds |
//! |---|---|
//! | `<clientKey>:<key>` | a value of a tenant |
//! | `forge:<installationId>:<key>` | a value of a Forge installation |
//! | `installation:<installationId>;` | the clientKey of the tenant that a Forge installation belongs to |
//!
//! Source: `lib/store/redis.js` of atlassian-connect-express 11.5.3. clientKeys, installationIds and keys may hold
//! colons themselves, so one Redis key can be the form of several pairs of names. What keeps them apart:
//!
//! - No tenant is called `forge`, `installation` or [`OURS`], nor by one of these and a colon: the three forms and our
//!   own keys have nothing in common.
//! - A Redis key that ends like an installation's is the installation of what stands before, and nothing else. Pairs
//!   of names that would come to the same Redis key otherwise are refused.
//! - Any other Redis key is its writer's: our own hash [`OWNERS`] says who wrote it. What ACE wrote stands in no hash;
//!   it belongs to the longest of the names that it may mean under which the add-on is installed.

use crate::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, StoreError, fits,
};

/// What our own Redis keys begin with.
const OURS: &str = "atlassian-connect-actix";

/// A hash: Redis key -> the clientKey or installationId that the store wrote it for.
pub(super) const OWNERS: &str = "atlassian-connect-actix:owners";

/// The keys of an installation, in use and not.
const OF_INSTALLATIONS: [&str; 4] =
    [CLIENT_INFO, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, CLIENT_INFO_SUPERSEDED];

/// A set: the Forge installations that the store has associated with a tenant. It may name some that are not any more.
pub(super) fn associated(client_key: &str) -> String {
    // ends like no Redis key of ACE's: it looks for all that end in `:clientInfo`
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

/// Whose values: tenants' or Forge installations'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Tenants,
    Forge,
}

impl Space {
    fn prefix(self) -> &'static str {
        match self {
            Self::Tenants => "",
            Self::Forge => "forge:",
        }
    }

    fn of(redis_key: &str) -> Option<(Self, &str)> {
        match redis_key.split_once(':')? {
            ("forge", rest) => Some((Self::Forge, rest)),
            ("installation" | OURS, _) => None,
            _ => Some((Self::Tenants, redis_key)),
        }
    }

    fn can_own(self, owner: &str) -> bool {
        self == Self::Forge || !matches!(owner.split(':').next(), Some("forge" | "installation" | OURS))
    }

    /// Redis keys of which one is there if `owner` is more than a way to read a Redis key; for each owner as many.
    pub(super) fn proofs(self, owner: &str) -> Vec<String> {
        match self {
            Self::Tenants => [CLIENT_INFO, CLIENT_INFO_UNINSTALLED].map(|key| format!("{owner}:{key}")).into(),
            Self::Forge => vec![association(owner)],
        }
    }
}

/// Whose a Redis key may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// It can be only one's: the name, and the value's key.
    Known(&'a str, &'a str),
    /// One of these names, longest first.
    OneOf(Vec<&'a str>),
}

/// The values among all Redis keys: whose space, and whose in there. `None`: no value of ours or ACE's.
pub(super) fn read(redis_key: &str) -> Option<(Space, Owner<'_>)> {
    let (space, rest) = Space::of(redis_key)?;
    if space == Space::Tenants {
        let of_installation = OF_INSTALLATIONS.iter().find_map(|key| {
            let owner = rest.strip_suffix(key)?.strip_suffix(':')?;
            Some(Owner::Known(owner, key))
        });
        if let Some(known) = of_installation {
            return Some((space, known));
        }
    }
    Some((space, Owner::OneOf(rest.rmatch_indices(':').map(|(at, _)| &rest[..at]).collect())))
}

/// The Redis key of a value, with what tells it from others'.
#[derive(Debug)]
pub(super) struct Spot<'a> {
    pub redis_key: String,
    pub owner: &'a str,
    /// Whom else it may belong to, `owner` among them, longest first; empty where it can only be `owner`'s and nobody
    /// has to be asked.
    rivals: Vec<String>,
    /// For each rival as many, in the same order.
    proofs: Vec<String>,
    /// Whether the hash of owners has to name it: else its form says whose it is.
    pub is_recorded: bool,
}

impl<'a> Spot<'a> {
    /// `None` where no value can stand under these names: they do not fit, or are another's by their form.
    pub(super) fn new(space: Space, owner: &'a str, key: &str) -> Option<Self> {
        if !fits(owner) || !fits(key) || !space.can_own(owner) {
            return None;
        }
        let redis_key = format!("{}{owner}:{key}", space.prefix());
        let (mut rivals, mut proofs, mut is_recorded) = (Vec::new(), Vec::new(), true);
        match read(&redis_key)?.1 {
            Owner::Known(known, _) if known == owner => is_recorded = false,
            Owner::Known(..) => return None,
            Owner::OneOf(names) if names.len() == 1 => {}
            Owner::OneOf(names) => {
                proofs = names.iter().flat_map(|name| space.proofs(name)).collect();
                rivals = names.into_iter().map(str::to_owned).collect();
            }
        }
        Some(Self { redis_key, owner, rivals, proofs, is_recorded })
    }

    /// The same for a write.
    pub(super) fn writable(space: Space, owner: &'a str, key: &str) -> Result<Self, StoreError> {
        crate::check_keys(&[owner, key])?;
        Self::new(space, owner, key).ok_or_else(|| {
            let (owner, key) = (shortened(owner), shortened(key));
            StoreError::Refused(format!("{key:?} of {owner:?} cannot be told from another's value in Redis"))
        })
    }

    pub(super) fn is_contested(&self) -> bool {
        !self.rivals.is_empty()
    }

    /// In the order that [`super::scripts`] want: this one, the owners', the proofs.
    pub(super) fn redis_keys(&self) -> impl Iterator<Item = &str> {
        [self.redis_key.as_str(), OWNERS].into_iter().chain(self.proofs.iter().map(String::as_str))
    }

    pub(super) fn rivals(&self) -> impl Iterator<Item = &str> {
        self.rivals.iter().map(String::as_str)
    }
}

/// Whether a tenant may have this clientKey here, with the reason as an error.
pub(super) fn check_owner(client_key: &str) -> Result<(), StoreError> {
    Spot::writable(Space::Tenants, client_key, CLIENT_INFO).map(drop)
}

/// A name as an error may show it.
fn shortened(name: &str) -> String {
    name.chars().take(60).collect()
}

/// `name` as a pattern of SCAN that means itself.
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

    fn spot<'a>(owner: &'a str, key: &str) -> Option<Spot<'a>> {
        Spot::new(Space::Tenants, owner, key)
    }

    #[test]
    fn the_forms_are_those_of_ace() {
        assert_eq!(spot("jira:1b6b", "clientInfo").unwrap().redis_key, "jira:1b6b:clientInfo");
        let ari = "ari:cloud:ecosystem::installation/1b6b";
        assert_eq!(
            Spot::new(Space::Forge, ari, "appToken").unwrap().redis_key,
            "forge:ari:cloud:ecosystem::installation/1b6b:appToken"
        );
        assert_eq!(association(ari), "installation:ari:cloud:ecosystem::installation/1b6b;");
        assert_eq!(associated_id(&association(ari)), Some(ari));
    }

    #[test]
    fn installations_are_told_by_their_form_alone() {
        for key in OF_INSTALLATIONS {
            for owner in ["tenant", "jira:1b6b", "", "a:clientInfo", "clientInfo"] {
                let spot = spot(owner, key).unwrap();
                assert!(!spot.is_contested() && !spot.is_recorded, "{owner:?} {key}");
                assert_eq!(read(&spot.redis_key), Some((Space::Tenants, Owner::Known(owner, key))));
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
            assert!(Spot::new(Space::Forge, owner, "key").is_some());
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
        assert!(!Spot::new(Space::Forge, "a", "b").unwrap().is_contested());
        let value = Spot::new(Space::Forge, "a:b", "c").unwrap();
        assert_eq!(
            value.redis_keys().collect::<Vec<_>>(),
            ["forge:a:b:c", OWNERS, "installation:a:b;", "installation:a;"]
        );
    }

    #[test]
    fn what_is_no_value_is_not_read_as_one() {
        for redis_key in ["session", "installation:a;", "atlassian-connect-actix:owners", ""] {
            assert_eq!(read(redis_key), None, "{redis_key}");
        }
    }

    #[test]
    fn patterns_mean_themselves() {
        assert_eq!(literal("jira:a*b?[c]\\"), "jira:a\\*b\\?\\[c\\]\\\\");
    }
}
