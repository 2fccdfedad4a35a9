//! `token`: prints a URL signed as a tenant's host signs it, for curl and for the browser.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::failure::{Exit, Failure};
use super::known::{self, State};
use super::output;
use super::store_access::existing_store;
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::Tenant;
use atlassian_connect_actix::config::{BaseUrl, Environment, Vars};
use atlassian_connect_actix::internal::jwt::{CONTEXT_QSH, qsh};
use atlassian_connect_actix::internal::tenants::Installation;
use atlassian_connect_actix::internal::{claims_of_site, is_loopback};
use atlassian_connect_actix::store::Store;

/// How long to wait for the add-on to accept a connection.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The path to open, relative to the base URL; a query is signed too: /hello-world?lang=en
    #[arg(value_name = "path")]
    path: String,
    /// The tenant whose host signs; required if the store has several
    #[arg(long, value_name = "clientKey")]
    client_key: Option<String>,
    /// The account id of the user who views the page; without it the user is anonymous
    #[arg(long, value_name = "accountId")]
    user: Option<String>,
    /// The method that the URL is for
    #[arg(long, default_value = "GET", value_parser = method)]
    method: String,
    /// The context claim: a JSON object such as {"jira":{"issue":{"key":"JRA-1"}}}
    #[arg(long, value_name = "JSON", value_parser = object)]
    context: Option<Value>,
    /// Do not bind the token to a URL, like `AP.context.getToken`
    #[arg(long)]
    context_qsh: bool,
}

fn method(text: &str) -> Result<String, String> {
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_one
        .then(|| text.to_ascii_uppercase())
        .ok_or_else(|| "not an HTTP method such as GET, POST, PUT or DELETE".to_owned())
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}

pub(super) async fn run(arguments: &Arguments, builder: &AddonBuilder, vars: &Vars) -> Result<Exit, Failure> {
    // checked first
    let environment = Environment::from_vars(vars);
    if environment.is_production() {
        return Err(Failure::Message(format!(
            "no token: this command only works in development (APP_ENV), and {environment} has production's rules, \
             where only hosts sign"
        )));
    }
    let config = builder.load_config_with(vars)?;
    let target = Target::below(&config.local_base_url, &arguments.path).map_err(Failure::Usage)?;
    let (store, place) = existing_store(builder, &config.store).await?;
    let client_key = match &arguments.client_key {
        Some(client_key) => client_key.clone(),
        None => the_only_one(store.as_ref(), &place).await?,
    };
    let installation = store.installations(&client_key).await?.into_iter().next();
    let Some(installation) = installation else {
        let client_key = output::plain(&client_key);
        return Err(Failure::Message(format!(
            "no tenant {client_key:?} is installed in {place}; `tenants list` lists all tenants"
        )));
    };
    let tenant = Installation::read(&installation).and_then(|installation| Tenant::new(installation, &[]));
    let tenant =
        tenant.ok_or_else(|| Failure::Message("the tenant's installation has no usable sharedSecret".into()))?;

    let validity = i64::try_from(config.jwt_validity.as_secs()).unwrap_or(i64::MAX);
    let bound_to = if arguments.context_qsh { CONTEXT_QSH.to_owned() } else { target.hash(&arguments.method) };
    let mut claims = claims_of_site(tenant.client_key(), arguments.user.as_deref(), &bound_to, validity);
    if let Some(context) = &arguments.context {
        claims["context"] = context.clone();
    }
    let token = tenant.secret().sign(&claims).map_err(|error| Failure::Message(error.to_string()))?;
    output::print(&target.with_token(&token));
    let base_url = config.local_base_url.as_url();
    if is_loopback(base_url) && !is_listened_to(base_url) {
        output::complain(&format!(
            "Nothing listens at {base_url}. Start the add-on, or run this command with the PORT or AC_LOCAL_BASE_URL \
             of the running one."
        ));
    }
    Ok(Exit::Done)
}

/// Whether something accepts connections there.
fn is_listened_to(url: &Url) -> bool {
    let addresses = url.socket_addrs(|| None).unwrap_or_default();
    addresses.iter().any(|address| TcpStream::connect_timeout(address, PATIENCE).is_ok())
}

/// The installed tenant, if there is only one.
async fn the_only_one(store: &dyn Store, place: &str) -> Result<String, Failure> {
    let mut installed = known::all(store).await?;
    installed.retain(|tenant| tenant.state() == State::Installed);
    match installed.as_slice() {
        [one] => Ok(one.client_key.clone()),
        [] => Err(Failure::Message(format!("no token: no site has installed the add-on in {place}"))),
        several => {
            let names: Vec<_> = several.iter().map(|tenant| format!("  {}", known::named(tenant))).collect();
            Err(Failure::Usage(format!(
                "{} sites have the add-on. Choose the one that signs with --client-key:\n{}",
                several.len(),
                names.join("\n")
            )))
        }
    }
}

/// A URL of the add-on, as it is sent.
#[derive(Debug)]
struct Target {
    url: Url,
    /// Relative to the base URL.
    path: String,
}

impl Target {
    fn below(base: &BaseUrl, path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err(format!("the path must begin with a slash, such as /hello-world, but is {path:?}"));
        }
        // what is signed must equal what is sent, so spaces and umlauts are encoded here and not by the client
        let mut url = Url::parse(&format!("{base}{path}")).map_err(|_| format!("{path:?} is not a valid path"))?;
        url.set_fragment(None);
        if url.query_pairs().any(|(name, _)| name == "jwt") {
            return Err("the query already has a jwt; a second one would be refused".to_owned());
        }
        let below = qsh::relative_path(url.path(), base.path()).map(str::to_owned);
        let path = below.ok_or_else(|| format!("{path:?} leaves {base}"))?;
        Ok(Self { url, path })
    }

    fn hash(&self, method: &str) -> String {
        qsh::hash(method, &self.path, self.url.query().unwrap_or_default())
    }

    fn with_token(&self, token: &str) -> String {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("jwt", token);
        url.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: &str, path: &str) -> Result<Target, String> {
        Target::below(&base.parse().unwrap(), path)
    }

    #[test]
    fn what_is_signed_is_what_is_sent() {
        for (base, path, signed, printed) in [
            ("http://h:3000", "/a", "/a", "http://h:3000/a?jwt=t"),
            ("http://h:3000", "/", "/", "http://h:3000/?jwt=t"),
            ("http://h/addon", "/a?x=1&y", "/a", "http://h/addon/a?x=1&y&jwt=t"),
            ("http://h/addon", "/ä b?q=ü c#top", "/%C3%A4%20b", "http://h/addon/%C3%A4%20b?q=%C3%BC%20c&jwt=t"),
            ("http://h", "/a/../b%2Fc/", "/b%2Fc/", "http://h/b%2Fc/?jwt=t"),
            ("http://h", "//evil.example/a", "//evil.example/a", "http://h//evil.example/a?jwt=t"),
        ] {
            let target = target(base, path).unwrap();
            assert_eq!((target.path.as_str(), target.with_token("t").as_str()), (signed, printed), "{path}");
        }
        let with_query = target("http://h", "/a?x=%C3%A9+1").unwrap();
        assert_eq!(with_query.hash("GET"), qsh::hash("GET", "/a", "x=%C3%A9+1"));
    }

    #[test]
    fn what_cannot_be_signed() {
        for (base, path) in [
            ("http://h", "a"),
            ("http://h", ""),
            ("http://h", "http://h/a"),
            ("http://h/addon", "/../other"),
            ("http://h", "/a?x=1&jwt=t"),
            ("http://h", "/a?%6Awt=t"),
        ] {
            assert!(target(base, path).is_err(), "{path}");
        }
    }

    #[test]
    fn wrong_arguments_fail() {
        assert_eq!(method("post").as_deref(), Ok("POST"));
        assert!(method("GET /").is_err() && method("").is_err());
        assert!(object("{\"jira\":{}}").is_ok() && object("[]").is_err() && object("{").is_err());
    }
}
