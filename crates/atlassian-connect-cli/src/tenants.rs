//! `tenants`: who has the add-on, as the store knows it.

use clap::Subcommand;
use serde_json::{Map, Value, json};
use url::Url;

use super::failure::{Exit, Failure};
use super::known::{self, Known, State};
use super::output::{columns, confirmed, plain, print, print_json, some_of};
use super::removal::Removal;
use super::store_access::{existing_store, for_the_store};
use super::{purge, sealing};
use atlassian_connect_actix::config::Vars;
use atlassian_connect_actix::store::Store;
use atlassian_connect_actix::store::internal::{Form, redact};
use atlassian_connect_actix::{Addon, AddonBuilder};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List every tenant that the store knows, installed or not
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one tenant: its installation without the secret, and the keys of its other values
    Show {
        /// As `tenants list` prints it
        #[arg(value_name = "clientKey")]
        client_key: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove one tenant and everything that is stored for it, for good
    Remove {
        /// As `tenants list` prints it
        #[arg(value_name = "clientKey")]
        client_key: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Remove the tenants that uninstalled the add-on long ago, with everything stored for them, for good
    Purge(purge::Arguments),
    /// Seal every value of the store with the first of the encryption keys
    ///
    /// The add-on may serve meanwhile, if each of its nodes has been started with these keys. It may be stopped at any
    /// time, and run again.
    Encrypt,
    /// Write every value of the store in clear, as ACE does
    ///
    /// Stop the add-on for that: a node that has keys goes on sealing, and one that has none cannot read what is
    /// sealed.
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
                (true, _) => print_json(&tenants.iter().map(Known::to_json).collect()),
                (false, true) => print(&format!("no tenants: no site has installed the add-on in {place}")),
                (false, false) => print(&table(&tenants)),
            }
        }
        Command::Show { client_key, json } => {
            let tenant = find(store, &place, &client_key).await?.opened(store).await?;
            if json { print_json(&shown_as_json(&tenant)) } else { print(&shown(&tenant)) }
        }
        Command::Remove { client_key, yes } => {
            // with nothing stored, an earlier removal may have failed in a listener of the app, who hears of it again
            let Some(tenant) = known::one(store, &client_key).await? else {
                let unknown = format!("nothing is stored for {} in {place}", plain(&client_key));
                if !yes && !confirmed(&unknown, "Tell the app to delete what it keeps of it?")? {
                    return Err(Failure::Told("nothing was removed".to_owned()));
                }
                Removal::prepare(builder, config, shared.clone(), listen).await?.tell(&client_key).await?;
                return Err(Failure::Told(format!(
                    "no tenant {:?} in {place}; `tenants list` lists those that there are. The app was told to delete what it \
                     keeps of it",
                    plain(&client_key)
                )));
            };
            // with a key lost for good, this is the way to a new install
            let tenant = tenant.opened_if_possible(store).await?;
            let removal = Removal::prepare(builder, config, shared.clone(), listen).await?;
            if !yes && !confirmed(&what_goes(&tenant, &place), "Remove it?")? {
                return Err(Failure::Told("nothing was removed".to_owned()));
            }
            if !store.remove(&tenant.client_key).await? {
                return Err(Failure::Told(format!("{} was removed by somebody else", plain(&client_key))));
            }
            removal.tell(&tenant.client_key).await?;
            print(&format!("removed {} from {place}", known::named(&tenant)));
        }
        Command::Purge(arguments) => {
            let removal = Removal::prepare(builder, config, shared.clone(), listen).await?;
            return purge::run(&arguments, store, &place, &removal).await;
        }
        Command::Encrypt => return sealing::run(store, &place, Form::Sealed).await,
        Command::Decrypt => return sealing::run(store, &place, Form::Clear).await,
    }
    Ok(Exit::Done)
}

async fn find(store: &dyn Store, place: &str, client_key: &str) -> Result<Known, Failure> {
    known::one(store, client_key).await?.ok_or_else(|| {
        Failure::Told(format!(
            "no tenant {:?} in {place}; `tenants list` lists those that there are",
            plain(client_key)
        ))
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

fn shown(tenant: &Known) -> String {
    let mut rows = vec![["clientKey".to_owned(), plain(&tenant.client_key)], ["state".to_owned(), tenant.to_string()]];
    for (name, value) in redacted(tenant.installation.as_ref()).into_iter().filter(|(name, _)| name != "clientKey") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push([plain(&name), plain(&value)]);
    }
    let keys = tenant.further_keys();
    let keys =
        if keys.is_empty() { "-".to_owned() } else { keys.into_iter().map(plain).collect::<Vec<_>>().join(", ") };
    rows.push(["further keys".to_owned(), keys]);
    columns(&rows)
}

fn shown_as_json(tenant: &Known) -> Value {
    let mut json = tenant.to_json();
    json["installation"] = redacted(tenant.installation.as_ref()).into();
    json["furtherKeys"] = json!(tenant.further_keys());
    json
}

/// The members of an installation; those whose names say that they are secret have no value.
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
        // a URL with a password in it is none that a host sends
        Value::String(text) if Url::parse(text).is_ok_and(|url| url.password().is_some()) => redact(text).into(),
        Value::Array(items) => items.iter().map(|item| without_secrets(name, item)).collect(),
        other => other.clone(),
    }
}

fn what_goes(tenant: &Known, place: &str) -> String {
    let name = known::named(tenant);
    let further = tenant.further_keys();
    let values = format!("the values under {}", some_of(further.iter().copied()));
    if tenant.state() == State::None {
        return format!("This removes {name} from {place}: {values}.");
    }
    let and_values = if further.is_empty() { String::new() } else { format!(" and {values}") };
    format!(
        "This removes {name} from {place}: its installation ({tenant}){and_values}. Nothing brings the secret back: \
         until the site installs the add-on again, its requests are refused."
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
        assert!(redacted(Some(&json!("hush"))).is_empty(), "what is no object is not shown");
        assert!(redacted(None).is_empty());
    }
}
