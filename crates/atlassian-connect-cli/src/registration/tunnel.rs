//! An ngrok tunnel, through which sites reach an add-on in development on this machine: `ngrok` in `credentials.json`,
//! as in ACE, and the Cargo feature `ngrok`. For any other tunnel, set `AC_LOCAL_BASE_URL`.

use std::path::Path;

use super::CREDENTIALS_FILE;
use super::credentials::{self, Credentials, Ngrok};
use atlassian_connect_actix::config::{BaseUrl, Config};
use atlassian_connect_actix::internal::is_loopback;

/// An open tunnel. Dropping it closes it.
pub(crate) struct Tunnel {
    base_url: BaseUrl,
    #[cfg(feature = "ngrok")]
    _forwarder: ngrok::forwarder::Forwarder<ngrok::tunnel::HttpTunnel>,
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Tunnel {
    /// Opens a tunnel if a site to register with could not reach the add-on otherwise: in development, with a local
    /// base URL, and with settings for it. A failure is logged; the add-on runs without the tunnel.
    pub(crate) async fn open(config: &Config) -> Option<Self> {
        let ngrok = wanted(config)?;
        match dial(config, &ngrok).await {
            Ok(tunnel) => {
                tracing::info!("the tunnel {} forwards to this machine", tunnel.base_url.as_str());
                Some(tunnel)
            }
            Err(reason) => {
                tracing::error!("the tunnel cannot be opened: {reason}");
                None
            }
        }
    }

    /// The base URL through the tunnel, with the path of the configured one.
    #[must_use]
    pub(crate) fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }
}

/// The settings, if a tunnel is needed.
fn wanted(config: &Config) -> Option<Ngrok> {
    if !config.environment.is_development() || config.options.no_reg || !is_loopback(config.local_base_url.as_url()) {
        return None;
    }
    // the registration reports errors in the file
    let credentials = credentials::load(Path::new(CREDENTIALS_FILE), &config.hosts).ok()?;
    of_credentials(credentials)
}

fn of_credentials(credentials: Credentials) -> Option<Ngrok> {
    let needs_one = credentials.sites.iter().any(|site| !site.is_local());
    if needs_one && credentials.ngrok.is_none() {
        tracing::warn!(
            "the sites of {CREDENTIALS_FILE} cannot reach this machine: set AC_LOCAL_BASE_URL to your tunnel's URL, \
             or add ngrok's authtoken to {CREDENTIALS_FILE}"
        );
    }
    if needs_one { credentials.ngrok } else { None }
}

#[cfg(feature = "ngrok")]
async fn dial(config: &Config, settings: &Ngrok) -> Result<Tunnel, String> {
    use ngrok::config::ForwarderBuilder as _;
    use ngrok::tunnel::EndpointInfo as _;
    use secrecy::ExposeSecret as _;

    // a single crypto provider; one that is already installed is fine
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut session = ngrok::Session::builder();
    session.authtoken(settings.authtoken.expose_secret());
    let exchange = async {
        let session = session.connect().await.map_err(|error| error.to_string())?;
        let mut endpoint = session.http_endpoint();
        if let Some(domain) = &settings.domain {
            endpoint.domain(domain);
        }
        let target = format!("http://{}", std::net::SocketAddr::new(config.bind, config.port));
        let target = url::Url::parse(&target).map_err(|error| error.to_string())?;
        endpoint.listen_and_forward(target).await.map_err(|error| error.to_string())
    };
    let forwarder = tokio::time::timeout(std::time::Duration::from_secs(20), exchange)
        .await
        .unwrap_or_else(|_| Err("ngrok does not answer within 20 s".into()))?;
    let base_url = format!("{}{}", forwarder.url().trim_end_matches('/'), config.local_base_url.path());
    let base_url = base_url.parse().map_err(|error| format!("ngrok's URL {base_url} {error}"))?;
    Ok(Tunnel { base_url, _forwarder: forwarder })
}

#[cfg(not(feature = "ngrok"))]
#[allow(clippy::unused_async)]
async fn dial(_: &Config, _: &Ngrok) -> Result<Tunnel, String> {
    Err(format!(
        "{CREDENTIALS_FILE} has ngrok settings, but this build does not include ngrok: use cargo run --features \
         ngrok, or set AC_LOCAL_BASE_URL to another tunnel's URL"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::credentials::load;

    #[test]
    fn a_tunnel_is_for_sites_elsewhere() {
        let of = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            of_credentials(load(file.path(), &[]).unwrap()).is_some()
        };
        assert!(of(r#"{"hosts": {"a.atlassian.net": {}}, "ngrok": {"authtoken": "t"}}"#));
        assert!(!of(r#"{"hosts": {"http://127.0.0.1:2990": {}}, "ngrok": {"authtoken": "t"}}"#));
        assert!(!of(r#"{"hosts": {"a.atlassian.net": {}}}"#));
        assert!(!of(r#"{"ngrok": {"authtoken": "t"}}"#), "no site to register with");
    }
}
