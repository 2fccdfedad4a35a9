//! `tenants`: lists, shows and removes the tenants in the store.

use clap::Subcommand;
use serde_json::{Map, Value, json};
use url::Url;

use super::association::{Kept, OfTenant};
use super::failure::{Exit, Failure};
use super::known::{self, Known, State};
use super::output::{columns, confirmed, plain, print, print_json, some_of};
use super::removal::{Removal, at_rest};
use super::store_access::{existing_store, for_the_store};
use super::{association, purge, sealing};
use atlassian_connect_actix::config::Vars;
use atlassian_connect_actix::internal::audit;
use atlassian_connect_actix::store::internal::{CLIENT_INFO_UNINSTALLED_AT, admin::ValueForm, redact};
use atlassian_connect_actix::store::{Place, Store, StoreError};
use atlassian_connect_actix::{Addon, AddonBuilder};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List every tenant in the store, installed or not
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one tenant: its installation without secrets, and the keys of its other values
    Show {
        /// As printed by `tenants list`
        #[arg(value_name = "clientKey")]
        client_key: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Permanently remove one tenant and all its data
    Remove {
        /// As printed by `tenants list`
        #[arg(value_name = "clientKey")]
        client_key: String,
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// Permanently remove the tenants that uninstalled the add-on long ago, with all their data
    Purge(purge::Arguments),
    /// Ask the site of each tenant which one it is, and associate those that accept their tenant
    ///
    /// Sends a request to each site, at most two sites a second. Safe to stop at any time and run again. Exits with 1
    /// if tenants are left that are not associated.
    Associate(association::Arguments),
    /// Report how far the move from Connect to Forge has come
    ///
    /// Exits with 1 while tenants are not associated with Forge.
    Migration {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Encrypt every value of the store with the first encryption key
    ///
    /// The add-on may run meanwhile, if each of its nodes was started with these keys. Safe to stop at any time and run
    /// again.
    Encrypt,
    /// Decrypt every value of the store, as ACE needs it
    ///
    /// Stop the add-on first: a node with keys keeps encrypting, and one without keys cannot read encrypted values.
    Decrypt,
}

pub(super) async fn run(
    command: Command,
    builder: AddonBuilder,
    listen: impl FnOnce(&Addon),
    vars: Vars,
) -> Result<Exit, Failure> {
    let config = builder.load_config_with(&for_the_store(vars))?;
    let (shared, place) = existing_store(&builder, &config.store).await?;
    let store = shared.as_ref();
    match command {
        Command::List { json } => {
            let tenants = known::all(store).await?;
            match (json, tenants.is_empty()) {
                (true, _) => print_json(&tenants.iter().map(Known::to_json).collect::<Value>()),
                (false, true) => print(&format!("no tenants: no site has installed the add-on in {place}")),
                (false, false) => print(&table(&tenants)),
            }
        }
        Command::Show { client_key, json } => {
            let tenant = find(store, &place, &client_key).await?.opened(store).await?;
            let of_forge = match &tenant.installation {
                Some(installation) if tenant.state() == State::Installed => {
                    OfTenant::read(store, &config, &client_key, installation).await?
                }
                _ => None,
            };
            if json {
                print_json(&shown_as_json(&tenant, of_forge.as_ref()));
            } else {
                print(&shown(&tenant, of_forge.as_ref()));
            }
        }
        Command::Remove { client_key, yes } => {
            // an earlier removal may have failed in a listener of the app, so the app is told again
            let Some(tenant) = known::one(store, &client_key).await? else {
                let unknown = format!("nothing is stored for {} in {place}", plain(&client_key));
                if !yes && !confirmed(&unknown, "Tell the app to delete its own data of this tenant?")? {
                    return Err(Failure::Message("nothing was removed".to_owned()));
                }
                let removal = Removal::prepare(builder, config, shared.clone(), listen).await?;
                remove_kept(store, &client_key, Some(0)).await?;
                removal.tell(&client_key).await?;
                return Err(Failure::Message(format!(
                    "no tenant {:?} in {place}; `tenants list` lists all tenants. The app was told to delete its own \
                     data of this tenant",
                    plain(&client_key)
                )));
            };
            // if a key is lost for good, this is how a new install becomes possible
            let tenant = tenant.opened_if_possible(store).await?;
            let removal = Removal::prepare(builder, config, shared.clone(), listen).await?;
            if !yes && !confirmed(&what_goes(&tenant, &place), "Remove it?")? {
                return Err(Failure::Message("nothing was removed".to_owned()));
            }
            let uninstalled = match tenant.state() {
                State::Installed => None,
                // where the time is not known, any call may have been later
                _ => Some(uninstalled_at(store, &client_key).await?.unwrap_or_default()),
            };
            // first, so that a second attempt finds it again
            remove_kept(store, &client_key, uninstalled).await?;
            if !store.remove(&tenant.client_key).await? {
                return Err(Failure::Message(format!("{} was removed meanwhile", plain(&client_key))));
            }
            audit::removed(&tenant.client_key);
            removal.tell(&tenant.client_key).await?;
            print(&format!("removed {} from {place}", known::named(&tenant)));
        }
        Command::Purge(arguments) => {
            let removal = Removal::prepare(builder, config, shared.clone(), listen).await?;
            return purge::run(&arguments, store, &place, &removal).await;
        }
        Command::Associate(arguments) => {
            let addon = at_rest(builder, config, shared.clone(), listen).await?;
            return association::run(&arguments, &addon, &place).await;
        }
        Command::Migration { json } => return association::migration(store, &config, json).await,
        Command::Encrypt => return sealing::run(store, &place, ValueForm::Sealed).await,
        Command::Decrypt => return sealing::run(store, &place, ValueForm::Clear).await,
    }
    Ok(Exit::Done)
}

/// Removes what is left of a tenant under the keys of its sites.
async fn remove_kept(store: &dyn Store, client_key: &str, uninstalled: Option<u64>) -> Result<(), Failure> {
    let kept = Kept::read(store, |known| known == client_key).await?;
    kept.remove_of(store, client_key, uninstalled).await?;
    kept.complain();
    Ok(())
}

async fn uninstalled_at(store: &dyn Store, client_key: &str) -> Result<Option<u64>, StoreError> {
    match store.get(Place::of_tenant(client_key, CLIENT_INFO_UNINSTALLED_AT)).await {
        Ok(value) => Ok(value.and_then(|value| value.as_u64())),
        // with a lost key
        Err(StoreError::Sealed(_) | StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn find(store: &dyn Store, place: &str, client_key: &str) -> Result<Known, Failure> {
    known::one(store, client_key).await?.ok_or_else(|| {
        Failure::Message(format!("no tenant {:?} in {place}; `tenants list` lists all tenants", plain(client_key)))
    })
}

fn table(tenants: &[Known]) -> String {
    let heading = ["CLIENT KEY", "BASE URL", "PRODUCT", "STATE"].map(str::to_owned);
    let rows = tenants.iter().map(|tenant| {
        let or_dash = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), plain);
        let url = tenant.base_url();
        [plain(&tenant.client_key), or_dash(url.as_deref()), or_dash(tenant.product()), tenant.to_string()]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    columns(&rows)
}

fn shown(tenant: &Known, of_forge: Option<&OfTenant>) -> String {
    let mut rows = vec![["clientKey".to_owned(), plain(&tenant.client_key)], ["state".to_owned(), tenant.to_string()]];
    for (name, value) in redacted(tenant.installation.as_ref()).into_iter().filter(|(name, _)| name != "clientKey") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push([plain(&name), plain(&value)]);
    }
    let keys = tenant.further_keys();
    let keys =
        if keys.is_empty() { "-".to_owned() } else { keys.into_iter().map(plain).collect::<Vec<_>>().join(", ") };
    rows.push(["further keys".to_owned(), keys]);
    rows.extend(of_forge.into_iter().flat_map(OfTenant::rows));
    columns(&rows)
}

fn shown_as_json(tenant: &Known, of_forge: Option<&OfTenant>) -> Value {
    let mut json = tenant.to_json();
    json["installation"] = redacted(tenant.installation.as_ref()).into();
    json["furtherKeys"] = json!(tenant.further_keys());
    json["forge"] = of_forge.map(OfTenant::to_json).into();
    json
}

/// The members of an installation, without the values of those whose names suggest a secret.
fn redacted(installation: Option<&Value>) -> Map<String, Value> {
    let members = installation.and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.clone(), without_secrets(name, value))).collect()
}

fn without_secrets(name: &str, value: &Value) -> Value {
    let lower = name.to_lowercase();
    let is_secret = ["secret", "passw", "token", "credential", "privatekey"].iter().any(|word| lower.contains(word));
    match value {
        Value::Null => Value::Null,
        _ if is_secret => "***".into(),
        Value::Object(members) => redacted(Some(&Value::Object(members.clone()))).into(),
        // hosts do not send URLs with a password
        Value::String(text) if Url::parse(text).is_ok_and(|url| url.password().is_some()) => redact(text).into(),
        Value::Array(items) => items.iter().map(|item| without_secrets(name, item)).collect(),
        other => other.clone(),
    }
}

fn what_goes(tenant: &Known, place: &str) -> String {
    let name = known::named(tenant);
    let further = tenant.further_keys();
    let values = match further.as_slice() {
        [] => "the framework's own records".to_owned(),
        further => format!("the values under {}", some_of(further.iter().copied())),
    };
    if tenant.state() == State::None {
        return format!("This removes {name} from {place}: {values}.");
    }
    let and_values = if further.is_empty() { String::new() } else { format!(" and {values}") };
    format!(
        "This removes {name} from {place}: its installation ({tenant}){and_values}. The secret is lost: \
         the site's requests are refused until it installs the add-on again."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left_at_any_depth() {
        let installation = json!({
            "clientKey": "c", "sharedSecret": "hush", "url": "https://u:hush@h", "publicKey": "shown", "empty": null,
            "oauthSecret": null,
            "nested": {"ACCESS_TOKEN": ["hush", {"x": "hush"}], "list": [{"password": "hush", "n": 1}]},
        });
        insta::assert_snapshot!(Value::from(redacted(Some(&installation))), @r#"{"clientKey":"c","sharedSecret":"***","url":"https://u:***@h","publicKey":"shown","empty":null,"oauthSecret":null,"nested":{"ACCESS_TOKEN":"***","list":[{"password":"***","n":1}]}}"#);
        assert!(redacted(Some(&json!("hush"))).is_empty(), "only objects are shown");
        assert!(redacted(None).is_empty());
    }
}
