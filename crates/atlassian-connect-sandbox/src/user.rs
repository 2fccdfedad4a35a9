//! The users of the sandbox's sites.

use serde::Serialize;

/// A user who views the add-on's pages.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    /// The name in the sandbox's URLs: `ada`.
    #[serde(skip)]
    pub(super) key: &'static str,
    pub(super) account_id: &'static str,
    pub(super) display_name: &'static str,
    #[serde(skip)]
    pub(super) email: &'static str,
    pub(super) anonymous: bool,
    #[serde(skip)]
    pub(super) admin: bool,
    pub(super) time_zone: &'static str,
    pub(super) locale: &'static str,
}

/// The users of every site. The last one is the anonymous visitor.
pub(super) const USERS: [User; 3] = [
    User {
        key: "ada",
        account_id: "557058:sandbox-ada",
        display_name: "Ada Admin",
        email: "ada@sandbox.example",
        anonymous: false,
        admin: true,
        time_zone: "Europe/London",
        locale: "en_GB",
    },
    User {
        key: "mia",
        account_id: "557058:sandbox-mia",
        display_name: "Mia Member",
        email: "mia@sandbox.example",
        anonymous: false,
        admin: false,
        time_zone: "America/New_York",
        locale: "en_US",
    },
    User {
        key: "anonymous",
        account_id: "",
        display_name: "Anonymous",
        email: "",
        anonymous: true,
        admin: false,
        time_zone: "UTC",
        locale: "en_US",
    },
];

impl User {
    /// The account id. `None`: nobody is logged in.
    pub(super) fn account(self) -> Option<&'static str> {
        (!self.anonymous).then_some(self.account_id)
    }

    /// The user with that key, or else the first one.
    pub(super) fn of_key(key: &str) -> Self {
        USERS.into_iter().find(|user| user.key == key).unwrap_or(USERS[0])
    }

    /// The user with that account id. The empty id is the anonymous visitor's.
    pub(super) fn of_account(account_id: &str) -> Option<Self> {
        USERS.into_iter().find(|user| user.account_id == account_id)
    }
}
