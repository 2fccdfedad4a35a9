//! Converts a MySQL URL to the driver's options.

use std::net::IpAddr;

use mysql_async::{OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use rustls::crypto::aws_lc_rs;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::StoreError;
use crate::config::StoreConfig;
use crate::tls::{SslMode, Tls};

/// Opens connections to one database.
pub(in super::super) struct MysqlConnector {
    host: String,
    port: u16,
    /// A local socket instead of host and port.
    socket: Option<String>,
    user: Option<String>,
    password: Option<SecretString>,
    database: String,
    pub tls: Tls,
    /// The URL without its password, for messages.
    pub shown: String,
}

/// The URL's query. Clients write the names in several ways: `ssl-mode`, `ssl_mode`, `sslMode`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    mode: Option<SslMode>,
    /// Like ACE's `dialectOptions.ssl`.
    ssl: Option<Value>,
    authority: Option<String>,
    socket: Option<String>,
    ignored: Vec<String>,
}

impl Parameters {
    fn read(url: &Url) -> Result<Self, StoreError> {
        let mut read = Self::default();
        for (name, value) in url.query_pairs() {
            let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
            match (plain.to_ascii_lowercase().as_str(), value.as_ref()) {
                ("sslmode", mode) => read.mode = Some(ssl_mode(&name, mode)?),
                ("sslca", file) => read.authority = Some(file.to_owned()),
                // from Node's clients: ssl=true, ssl={"rejectUnauthorized":true}
                ("ssl", text) => read.ssl = Some(ssl(text)?),
                ("socket" | "socketpath", path) => read.socket = Some(path.to_owned()),
                _ => read.ignored.push(name.into_owned()),
            }
        }
        Ok(read)
    }
}

fn ssl(text: &str) -> Result<Value, StoreError> {
    match text {
        "1" => Ok(Value::Bool(true)),
        "0" => Ok(Value::Bool(false)),
        _ => serde_json::from_str(text).map_err(|error| {
            StoreError::configuration("ssl in the store's URL is not valid: write true, false or JSON").caused_by(error)
        }),
    }
}

/// Reads the modes of MySQL's own client.
fn ssl_mode(parameter: &str, name: &str) -> Result<SslMode, StoreError> {
    match name.to_ascii_uppercase().replace('-', "_").as_str() {
        "DISABLED" | "DISABLE" => Ok(SslMode::Disable),
        "PREFERRED" | "PREFER" => Ok(SslMode::Prefer),
        "REQUIRED" | "REQUIRE" => Ok(SslMode::Require),
        "VERIFY_CA" => Ok(SslMode::VerifyCa),
        "VERIFY_IDENTITY" | "VERIFY_FULL" => Ok(SslMode::VerifyFull),
        _ => Err(StoreError::configuration(format!(
            "{parameter}={name} is not known: use DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"
        ))),
    }
}

impl MysqlConnector {
    pub(crate) fn new(store: &StoreConfig) -> Result<Self, StoreError> {
        let shown = store.redacted_url();
        let unusable =
            |reason: &str| StoreError::configuration(format!("the store's URL {shown} cannot be used: {reason}"));
        let url =
            Url::parse(store.url.expose_secret()).map_err(|error| unusable(&error.to_string()).caused_by(error))?;
        let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(unusable("its percent-encoded text is not valid UTF-8")),
        };

        let parameters = Parameters::read(&url)?;
        let host = decoded(url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let database = decoded(url.path().trim_start_matches('/'))?;
        if database.is_empty() {
            return Err(unusable("it does not name a database, as in mysql://user:password@host/database"));
        }
        let is_local = parameters.socket.is_some()
            || host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let default = if store.production && !is_local { SslMode::Require } else { SslMode::Prefer };
        let authority = parameters.authority.as_deref().map(|path| ("ssl-ca", path));
        let ssl = parameters.ssl.as_ref().or(store.ssl.as_ref());
        let tls = Tls::choose(parameters.mode, authority, ssl, default)?;
        if tls.by_default && tls.mode == SslMode::Require {
            tracing::warn!(
                store = shown,
                "the connection to MySQL is encrypted, but the server's certificate is not verified: add \
                 ssl-mode=VERIFY_IDENTITY to the URL, and ssl-ca=<file> if its certificate authority is not public; \
                 add ssl-mode=REQUIRED to keep it as it is"
            );
        }
        if !parameters.ignored.is_empty() {
            let names = parameters.ignored.join(", ");
            tracing::warn!(store = shown, names, "unknown parameters of the store's URL are ignored");
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(3306),
            socket: parameters.socket,
            user: Some(decoded(url.username())?).filter(|user| !user.is_empty()),
            password: url.password().map(decoded).transpose()?.map(SecretString::from),
            database,
            tls,
            shown,
        })
    }

    /// The driver's options. `encrypted` is for servers that support TLS.
    pub(super) fn options(&self, encrypted: bool) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .socket(self.socket.clone())
            // the URL decides how to connect
            .prefer_socket(false)
            .user(self.user.clone())
            .pass(self.password.as_ref().map(|password| password.expose_secret().to_owned()))
            .db_name(Some(self.database.clone()))
            .tcp_keepalive(Some(30_000_u32))
            // diesel caches the statements
            .stmt_cache_size(0)
            // An UPDATE returns the number of rows found, as on the other databases, not the number of rows changed.
            .client_found_rows(true)
            .ssl_opts(encrypted.then(|| self.ssl_options()))
    }

    fn ssl_options(&self) -> SslOpts {
        // The driver uses the process's default crypto provider. Make sure that it is the same as everywhere else.
        let _ = aws_lc_rs::default_provider().install_default();
        let options = SslOpts::default();
        // The driver can verify an authority without the host name, but today's rustls verifies the name anyway. So
        // here VERIFY_CA deliberately means VERIFY_IDENTITY.
        match self.tls.mode {
            SslMode::Disable | SslMode::Prefer | SslMode::Require => options.with_danger_accept_invalid_certs(true),
            SslMode::VerifyCa | SslMode::VerifyFull => match self.tls.roots() {
                None => options,
                Some(roots) => options
                    .with_disable_built_in_roots(true)
                    .with_root_certs(roots.iter().map(|root| root.to_vec().into()).collect()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::backends;

    fn connector(url: &str, production: bool) -> Result<MysqlConnector, StoreError> {
        MysqlConnector::new(&StoreConfig { production, ..backends::config(url) })
    }

    #[test]
    fn tls_is_the_default_for_a_remote_host_in_production_only() {
        use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (url, production, expected) in [
            ("mysql://u:p@db.example.com/d", true, Require),
            ("mariadb://u:p@db.example.com/d", true, Require),
            ("mysql://u:p@db.example.com/d", false, Prefer),
            ("mysql://u:p@localhost/d", true, Prefer),
            ("mysql://u:p@127.0.0.2/d", true, Prefer),
            ("mysql://u:p@[::1]/d", true, Prefer),
            ("mysql://u:p@localhost/d?socket=/run/mysqld/mysqld.sock", true, Prefer),
            ("mysql://u:p@db.example.com/d?ssl-mode=preferred", true, Prefer),
            ("mysql://u:p@db.example.com/d?ssl_mode=DISABLED", true, Disable),
            ("mysql://u:p@db.example.com/d?sslmode=verify_ca", true, VerifyCa),
            ("mysql://u:p@db.example.com/d?sslMode=VERIFY_IDENTITY", true, VerifyFull),
            ("mysql://u:p@db.example.com/d?ssl=true", false, VerifyFull),
            (r#"mysql://u:p@db.example.com/d?ssl={"rejectUnauthorized":true}"#, true, VerifyFull),
            (r#"mysql://u:p@db.example.com/d?ssl={"rejectUnauthorized":false}"#, false, Require),
            ("mysql://u:p@db.example.com/d?ssl=0", true, Disable),
        ] {
            assert_eq!(connector(url, production).unwrap().tls.mode, expected, "{url}");
        }
    }

    #[test]
    fn the_parts_of_a_url() {
        let connector = connector("mariadb://ad%40don:p%40ss%2F%3F@[::1]:3307/my%20db?reconnect=true", false).unwrap();
        let options = mysql_async::Opts::from(connector.options(false));
        assert_eq!((options.ip_or_hostname(), options.tcp_port()), ("::1", 3307));
        assert_eq!(
            (options.user(), options.pass(), options.db_name()),
            (Some("ad@don"), Some("p@ss/?"), Some("my db"))
        );
        assert!(options.ssl_opts().is_none() && options.client_found_rows() && !options.prefer_socket());
    }

    #[test]
    fn an_unusable_url_is_reported_without_its_password() {
        for url in [
            "mysql://u:hush@h",
            "mysql://u:hush@h:port/d",
            "mysql://u:hush@h/d?ssl-mode=perhaps",
            "mysql://u:hush@h/%ff",
            "mysql://u:hush@h/d?ssl=Amazon",
        ] {
            let text = connector(url, false).err().unwrap().to_string();
            assert!(!text.contains("hush"), "{text}");
        }
    }
}
