//! [`Subject`]: a caller whose permissions can be checked, through Connect or Forge.

use std::borrow::Cow;
use std::ops::Deref;

use serde_json::{Value, json};

use super::refusal::undetermined;
use crate::auth::{Caller, ForgeInvocation, Via};
use crate::config::Product;
use crate::error::Error;
use crate::host::HostClient;
use crate::state::State;

/// An authenticated caller whose permissions can be checked: every type that holds a [`Caller`], a [`ForgeInvocation`],
/// an [`AnyCaller`]. Implement it for your own type by forwarding to the one that it holds.
///
/// [`AnyCaller`]: crate::forge::AnyCaller
pub trait Subject {
    /// The type that a handler gets through [`Authorized`]: the [`Caller`] of Connect's extractors, or the Forge
    /// extractor itself.
    ///
    /// [`Authorized`]: super::Authorized
    type Seen;

    /// The value that a handler gets.
    fn seen(&self) -> &Self::Seen;

    /// The data of a permission check for this caller.
    ///
    /// # Errors
    /// 403 if there is no user to check: an invocation that names none.
    fn inquiry(&self) -> Result<Inquiry<'_>, Error>;
}

/// The data of a permission check. It only comes from an authenticated caller, see [`Subject::inquiry`].
pub struct Inquiry<'a> {
    pub(super) host: HostClient,
    pub(super) user: Option<&'a str>,
    state: &'a State,
    kind: CallerKind,
    /// The clientKey, or the installation's ARI.
    tenant: &'a str,
    context: Option<&'a Value>,
}

#[derive(Debug, Clone, Copy)]
enum CallerKind {
    Connect,
    Forge,
    /// A page on Forge, whose context has Connect's form.
    ForgePage,
}

impl Subject for Caller {
    type Seen = Self;

    fn seen(&self) -> &Self {
        self
    }

    fn inquiry(&self) -> Result<Inquiry<'_>, Error> {
        let (host, user) = (self.host(), self.account_id());
        let (host, kind) = match (self.via(), user) {
            (Via::Connect, Some(_)) => (host, CallerKind::Connect),
            // without a user, the permissions of the anonymous user are checked
            (Via::Connect, None) => (host.anonymous(), CallerKind::Connect),
            // sent as the user, like the check of an invocation
            (Via::Forge, Some(user)) => (host.as_user(user), CallerKind::ForgePage),
            (Via::Forge, None) => return Err(undetermined("the page on Forge has no user")),
        };
        Ok(Inquiry { host, user, state: self.state(), kind, tenant: self.tenant_key(), context: self.context() })
    }
}

impl<C: Deref<Target = Caller>> Subject for C {
    type Seen = Caller;

    fn seen(&self) -> &Caller {
        self
    }

    fn inquiry(&self) -> Result<Inquiry<'_>, Error> {
        Caller::inquiry(self)
    }
}

/// The checks are the same as through Connect, but sent as the user: users may see their own permissions, so the app
/// needs no administrator rights. The check still names the user. A browser can put any token beside its invocation,
/// and only the permissions of the invocation's user must count. Forge's own `authorize()` (npm `@forge/auth` 1.0.0)
/// does both.
impl Subject for ForgeInvocation {
    type Seen = Self;

    fn seen(&self) -> &Self {
        self
    }

    fn inquiry(&self) -> Result<Inquiry<'_>, Error> {
        let user = self.account_id().ok_or_else(|| undetermined("the invocation names no user"))?;
        Ok(Inquiry {
            host: self.host().as_user(user),
            user: Some(user),
            state: self.state(),
            kind: CallerKind::Forge,
            tenant: self.installation_id(),
            context: self.claims().context.as_ref().map(|context| &context.extension),
        })
    }
}

impl Inquiry<'_> {
    /// The same, for that product of the installation. A Connect tenant is of one product, which is asked as
    /// atlassian-connect-express does: not every installation says which one it is.
    ///
    /// # Errors
    /// 403 if the installation does not have it: then nothing is asked.
    pub(super) fn of_product(&self, product: Product) -> Result<Self, Error> {
        let host = match self.kind {
            CallerKind::Connect => self.host.clone(),
            CallerKind::Forge | CallerKind::ForgePage => self.host.of_product(product).map_err(undetermined)?,
        };
        Ok(Self { host, ..*self })
    }

    /// The id of what the user looks at, a string or a number: `issue` or `project` of `jira`, `content` of
    /// `confluence`. In Connect's context it is below the product's name, in Forge's extension at the root.
    ///
    /// Through Forge the browser can alter it ("App context security"). That does no harm as long as the check and the
    /// handler use the same id. If there is no id to check, the check fails rather than covering less.
    pub(super) fn id(&self, product: &str, kind: &str) -> Result<Option<&Value>, Error> {
        let things = match self.kind {
            CallerKind::Connect | CallerKind::ForgePage => self.context.and_then(|context| context.get(product)),
            CallerKind::Forge => self.context,
        };
        id_of(things.and_then(|things| things.get(kind)))
            .map_err(|NoId| undetermined(format!("the context has a {kind} without a usable id")))
    }

    /// The cached answer to a check. `question` must contain everything that it depends on, except the tenant and the
    /// user.
    pub(super) async fn remembered<F>(&self, question: String, ask: F) -> Result<bool, Error>
    where
        F: Future<Output = Result<bool, Error>>,
    {
        let answers = &self.state.outbound.permissions;
        let (kind, user) = (format!("{:?}", self.kind), self.user.unwrap_or_default());
        // an installation can cover several products
        let key = json!([kind, self.tenant, self.host.base_url(), user, question]).to_string();
        if let Some(answer) = answers.get(&key) {
            return Ok(answer);
        }
        let answer = ask.await?;
        answers.insert(key, answer);
        Ok(answer)
    }
}

impl std::fmt::Debug for Inquiry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiry")
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// There is something, but it has no usable id.
#[derive(Debug, PartialEq)]
struct NoId;

fn id_of(thing: Option<&Value>) -> Result<Option<&Value>, NoId> {
    let thing = match thing {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(thing)) => thing,
        Some(_) => return Err(NoId),
    };
    match (known(thing.get("id")), known(thing.get("key"))) {
        (Some(id @ (Value::String(_) | Value::Number(_))), _) => Ok(Some(id)),
        (None, None) => Ok(None),
        _ => Err(NoId),
    }
}

/// The value of a member; hosts write null or an empty string if there is none.
fn known(member: Option<&Value>) -> Option<&Value> {
    member.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// An id as a string; it may be a string or a number.
pub(super) fn text(id: &Value) -> Option<Cow<'_, str>> {
    match id {
        Value::String(id) => Some(id.into()),
        Value::Number(id) => Some(id.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_present_absent_or_invalid() {
        for (thing, expected) in [
            (json!({ "id": "11" }), Ok(Some(json!("11")))),
            (json!({ "id": 11, "key": "A-1" }), Ok(Some(json!(11)))),
            (json!(null), Ok(None)),
            (json!({}), Ok(None)),
            (json!({ "id": "" }), Ok(None)),
            (json!({ "id": null, "key": "" }), Ok(None)),
            (json!({ "type": "Bug", "typeId": "3" }), Ok(None)),
            (json!({ "key": "A-1" }), Err(NoId)),
            (json!({ "id": "", "key": "A-1" }), Err(NoId)),
            (json!({ "id": ["11"] }), Err(NoId)),
            (json!({ "id": { "$ne": 1 }, "key": "A-1" }), Err(NoId)),
            (json!({ "id": true }), Err(NoId)),
            (json!([{ "id": "11" }]), Err(NoId)),
            (json!("11"), Err(NoId)),
        ] {
            assert_eq!(id_of(Some(&thing)).map(Option::<&Value>::cloned), expected, "{thing}");
        }
        assert_eq!(id_of(None), Ok(None));
    }
}
