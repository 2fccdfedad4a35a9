//! [`Subject`]: whom a permission can be asked for, by either door.

use std::borrow::Cow;
use std::ops::Deref;

use serde_json::{Value, json};

use super::refusal::undetermined;
use crate::auth::{Caller, ForgeInvocation};
use crate::error::Error;
use crate::host::HostClient;
use crate::state::State;

/// A proven caller whom a permission can be asked for: whatever holds a [`Caller`], a [`ForgeInvocation`], an
/// [`AnyCaller`]. A type of the add-on's own that holds one of these hands on what that one says.
///
/// [`AnyCaller`]: crate::forge::AnyCaller
pub trait Subject {
    /// What a handler sees of it through [`Authorized`]: the [`Caller`] of Connect's proofs, Forge's proof itself.
    ///
    /// [`Authorized`]: super::Authorized
    type Seen;

    /// The same of this one.
    fn seen(&self) -> &Self::Seen;

    /// What a question about it is made of.
    ///
    /// # Errors
    /// 403 where there is nobody to ask about: an invocation that names no user.
    fn inquiry(&self) -> Result<Inquiry<'_>, Error>;
}

/// What a question to the host about a caller is made of. Nothing but a proof gives one, see [`Subject::inquiry`].
pub struct Inquiry<'a> {
    pub(super) host: HostClient,
    pub(super) user: Option<&'a str>,
    state: &'a State,
    door: Door,
    /// The clientKey, or the installation's ARI.
    tenant: &'a str,
    context: Option<&'a Value>,
}

#[derive(Debug, Clone, Copy)]
enum Door {
    Connect,
    Forge,
}

impl Subject for Caller {
    type Seen = Self;

    fn seen(&self) -> &Self {
        self
    }

    fn inquiry(&self) -> Result<Inquiry<'_>, Error> {
        let (host, user) = (self.host(), self.account_id());
        Ok(Inquiry {
            // without a user it is the anonymous user's permissions that count
            host: if user.is_some() { host } else { host.anonymous() },
            user,
            state: self.state(),
            door: Door::Connect,
            tenant: self.client_key(),
            context: self.context(),
        })
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

/// The questions are those of Connect's door, sent as the user: whoever is asked about may know it of themselves, so the
/// app needs no administrator's rights. They name the user all the same, because a browser can put any token beside its
/// invocation, and no other user's rights are to count. Forge's own `authorize()` (npm `@forge/auth` 1.0.0) does both.
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
            door: Door::Forge,
            tenant: self.installation_id(),
            context: self.claims().context.as_ref().map(|context| &context.extension),
        })
    }
}

impl Inquiry<'_> {
    /// The id of what the user looks at, a text or a number: of `jira`'s `issue` or `project`, of `confluence`'s
    /// `content`. Connect's context has it below the product's name, Forge's extension at its root.
    ///
    /// By Forge's door the browser can have altered it ("App context security"), which does no harm as long as the
    /// question is about the same thing as the handler's work. So what has no id that can be asked about is no reason to
    /// ask about less.
    pub(super) fn id(&self, product: &str, kind: &str) -> Result<Option<&Value>, Error> {
        let things = match self.door {
            Door::Connect => self.context.and_then(|context| context.get(product)),
            Door::Forge => self.context,
        };
        id_of(things.and_then(|things| things.get(kind)))
            .map_err(|NoId| undetermined(format!("the context has a {kind} without an id that can be asked about")))
    }

    /// The answer to a question, asked once in a while for each user: `question` must name all that it depends on, but
    /// for whom it is asked of and about.
    pub(super) async fn remembered<F>(&self, question: String, ask: F) -> Result<bool, Error>
    where
        F: Future<Output = Result<bool, Error>>,
    {
        let answers = &self.state.outbound.permissions;
        let (door, user) = (format!("{:?}", self.door), self.user.unwrap_or_default());
        // an installation can be of several products
        let key = json!([door, self.tenant, self.host.base_url(), user, question]).to_string();
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
            .field("door", &self.door)
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// There is something, and it cannot be asked about.
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

/// Hosts write null or an empty text for what there is not.
fn known(member: Option<&Value>) -> Option<&Value> {
    member.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// An id, which comes as a text or a number, as a text.
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
    fn an_id_is_there_or_not_there_and_anything_else_is_odd() {
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
