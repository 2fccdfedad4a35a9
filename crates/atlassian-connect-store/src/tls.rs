//! How the connection to a server is encrypted, in terms of libpq's `sslmode`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde_json::Value;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// libpq's modes. MySQL has the same five under other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// Not encrypted.
    Disable,
    /// Encrypted if the server supports it, otherwise not.
    Prefer,
    /// Encrypted, with any server.
    Require,
    /// Encrypted, with a server whose certificate comes from a trusted authority.
    VerifyCa,
    /// Like [`SslMode::VerifyCa`], and the certificate must be for the requested host name.
    VerifyFull,
}

impl SslMode {
    fn parse(name: &str) -> Result<Self, StoreError> {
        match name {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            // node-postgres' name for the same mode, used in the URLs of many add-ons on Heroku.
            "require" | "no-verify" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(StoreError::configuration(format!(
                "sslmode={name} is not known: use disable, prefer, require, verify-ca or verify-full"
            ))),
        }
    }
}

/// The TLS parameters of the URL. tokio-postgres does not know all of them, so they are removed from the URL.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UrlParameters {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl UrlParameters {
    /// Splits `url` into the URL without these parameters, and the parameters.
    pub(crate) fn take(url: &str) -> (String, Self) {
        // A password may contain a `?`, so the search starts after the `@`.
        let from = url.find('@').unwrap_or_default();
        let Some(mark) = url[from..].find('?').map(|at| from + at) else { return (url.to_owned(), Self::default()) };
        let (mut taken, mut kept) = (Self::default(), Vec::new());
        for parameter in url[mark + 1..].split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => taken.sslmode = Some(value),
                "sslrootcert" => taken.sslrootcert = Some(value),
                // node-postgres' way to write it.
                "ssl" if matches!(value.as_str(), "true" | "1") => taken.sslmode = Some("verify-full".to_owned()),
                "ssl" if matches!(value.as_str(), "false" | "0") => taken.sslmode = Some("disable".to_owned()),
                _ => kept.push(parameter),
            }
        }
        let question = if kept.is_empty() { "" } else { "?" };
        (format!("{}{question}{}", &url[..mark], kept.join("&")), taken)
    }
}

/// The resolved settings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tls {
    pub mode: SslMode,
    /// Whether nobody chose the mode.
    pub by_default: bool,
    /// The trusted certificates. `None`: the public certificate authorities.
    roots: Option<Vec<CertificateDer<'static>>>,
}

impl Tls {
    /// The URL counts first, then `ssl` (ACE's `dialectOptions.ssl`), then `default`.
    pub(crate) fn resolve(url: &UrlParameters, ssl: Option<&Value>, default: SslMode) -> Result<Self, StoreError> {
        let chosen = url.sslmode.as_deref().map(SslMode::parse).transpose()?;
        let file = url.sslrootcert.as_deref().filter(|&path| path != "system");
        Self::choose(chosen, file.map(|path| ("sslrootcert", path)), ssl, default)
    }

    /// The same for a URL with the mode `chosen` and an authority's file (the parameter's name, path).
    pub(crate) fn choose(
        chosen: Option<SslMode>,
        file: Option<(&str, &str)>,
        ssl: Option<&Value>,
        default: SslMode,
    ) -> Result<Self, StoreError> {
        let (ace_mode, ace_roots) = ssl.map(ace).transpose()?.unwrap_or_default();
        let roots = match file {
            None => ace_roots,
            Some((name, path)) => {
                let pem = std::fs::read(path).map_err(|error| {
                    StoreError::configuration(format!("{name}={path} cannot be read: {error}")).caused_by(error)
                })?;
                Some(certificates(&pem, &format!("{name}={path}"))?)
            }
        };
        let chosen = chosen.or(ace_mode);
        let mode = match chosen.unwrap_or(default) {
            // As in libpq: naming an authority means verifying against it.
            SslMode::Require if roots.is_some() => SslMode::VerifyCa,
            mode => mode,
        };
        Ok(Self { mode, by_default: chosen.is_none(), roots })
    }

    /// The given authorities. `None`: the public certificate authorities.
    #[cfg(feature = "mysql")]
    pub(crate) fn roots(&self) -> Option<&[CertificateDer<'static>]> {
        self.roots.as_deref()
    }

    /// The part of the mode that tokio-postgres handles. [`Tls::connector`] handles the rest.
    pub(crate) fn negotiation(&self) -> tokio_postgres::config::SslMode {
        match self.mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        }
    }

    /// Creates the encrypted streams to PostgreSQL.
    pub(crate) fn connector(self) -> Result<MakeRustlsConnect, StoreError> {
        let mut config = self.client_config()?;
        // Required by `sslnegotiation=direct`; libpq always sends it.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(MakeRustlsConnect::new(config))
    }

    /// The configuration that verifies the server. It names the crypto provider, so that no other part of the process
    /// chooses it.
    pub(crate) fn client_config(self) -> Result<ClientConfig, StoreError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new(self.mode, self.roots.unwrap_or_default(), Arc::clone(&provider))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::configuration(format!("TLS cannot be set up: {error}")).caused_by(error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(config)
    }
}

/// ACE passes the object `dialectOptions.ssl` to Node's TLS: certificates are verified unless it says otherwise.
fn ace(ssl: &Value) -> Result<(Option<SslMode>, Option<Vec<CertificateDer<'static>>>), StoreError> {
    let wrong = |name: &str| {
        StoreError::configuration(format!(
            "store.dialectOptions.ssl{name} is not valid: ssl must be true, false, or an object with \
             rejectUnauthorized (true or false) and ca (a PEM text or a list of them)"
        ))
    };
    let options = match ssl {
        Value::Null => return Ok((None, None)),
        Value::Bool(false) => return Ok((Some(SslMode::Disable), None)),
        Value::Bool(true) => return Ok((Some(SslMode::VerifyFull), None)),
        Value::Object(options) => options,
        _ => return Err(wrong("")),
    };
    if ["cert", "key", "pfx"].iter().any(|name| options.contains_key(*name)) {
        tracing::warn!(
            "store.dialectOptions.ssl: client certificates are not supported; cert, key and pfx are ignored"
        );
    }
    match options.get("rejectUnauthorized") {
        None | Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok((Some(SslMode::Require), None)),
        Some(_) => return Err(wrong(".rejectUnauthorized")),
    }
    let pem = match options.get("ca") {
        None => return Ok((Some(SslMode::VerifyFull), None)),
        Some(Value::String(pem)) => pem.clone(),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        Some(_) => return Err(wrong(".ca")),
    };
    Ok((Some(SslMode::VerifyFull), Some(certificates(pem.as_bytes(), "store.dialectOptions.ssl.ca")?)))
}

/// The certificates in a PEM text; at least one.
fn certificates(pem: &[u8], of: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(StoreError::configuration(format!("{of} does not contain a certificate: it must be a PEM file"))),
        Err(error) => Err(StoreError::configuration(format!("{of} is not valid PEM: {error}")).caused_by(error)),
    }
}

/// rustls' own verifier, and what libpq's modes accept beyond it.
#[derive(Debug)]
struct Verifier {
    rustls: Arc<WebPkiServerVerifier>,
    mode: SslMode,
    /// The given certificates themselves. A server may use one of them directly: openssl creates self-signed
    /// certificates that are also authorities, which the chain rules forbid for a server and libpq accepts.
    pinned: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        mode: SslMode,
        pinned: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, StoreError> {
        fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
            StoreError::configuration(format!("a certificate of the authority cannot be used: {error}"))
                .caused_by(error)
        }
        let mut roots = RootCertStore::empty();
        if pinned.is_empty() {
            roots.roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        }
        for certificate in &pinned {
            roots.add(certificate.clone()).map_err(wrong)?;
        }
        let rustls = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self { rustls: rustls.map_err(wrong)?, mode, pinned })
    }

    /// Whether the mode accepts a certificate that rustls refuses for `reason`. rustls looks at the dates first, then at
    /// the chain, and at the name last.
    fn is_accepted(&self, reason: &CertificateError, server: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        };
        match reason {
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => false,
            NotValidForName | NotValidForNameContext { .. } => self.mode == SslMode::VerifyCa,
            _ if !self.pinned.iter().any(|pinned| pinned == server) => false,
            _ => {
                self.mode == SslMode::VerifyCa
                    || ParsedCertificate::try_from(server).is_ok_and(|server| verify_server_name(&server, name).is_ok())
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !matches!(self.mode, SslMode::VerifyCa | SslMode::VerifyFull) {
            return Ok(ServerCertVerified::assertion());
        }
        match self.rustls.verify_server_cert(server, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(reason)) if self.is_accepted(&reason, server, name) => {
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    // The handshake's signature is verified in every mode, because otherwise the encryption would be worthless.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.rustls.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.rustls.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mode(url: &str, ssl: Option<&Value>) -> Result<SslMode, StoreError> {
        let (_, parameters) = UrlParameters::take(url);
        Tls::resolve(&parameters, ssl, SslMode::Prefer).map(|tls| tls.mode)
    }

    #[test]
    fn the_parameters_leave_the_url() {
        for (url, rest) in [
            ("postgres://u:p@h/d", "postgres://u:p@h/d"),
            ("postgres://u:p@h/d?sslmode=require", "postgres://u:p@h/d"),
            ("postgres://u:p?q@h/d?sslmode=require&a=b&sslrootcert=%2Fx", "postgres://u:p?q@h/d?a=b"),
            ("postgres://h/d?a=b&ssl=true", "postgres://h/d?a=b"),
        ] {
            assert_eq!(UrlParameters::take(url).0, rest);
        }
        let (_, taken) = UrlParameters::take("postgres://h/d?sslmode=verify-ca&sslrootcert=%2Fa%20b");
        assert_eq!(taken.sslrootcert.as_deref(), Some("/a b"));
    }

    #[test]
    fn every_mode_of_the_url() {
        for (name, expected) in [
            ("disable", SslMode::Disable),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("no-verify", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ] {
            assert_eq!(mode(&format!("postgres://h/d?sslmode={name}"), Some(&json!(false))).unwrap(), expected);
        }
        assert_eq!(mode("postgres://h/d?ssl=true", None).unwrap(), SslMode::VerifyFull);
        assert_eq!(mode("postgres://h/d", None).unwrap(), SslMode::Prefer);
        let error = mode("postgres://h/d?sslmode=verify", None).unwrap_err().to_string();
        assert!(error.contains("sslmode=verify ") && error.contains("verify-full"), "{error}");
    }

    #[test]
    fn ace_settings_have_nodes_meaning() {
        for (ssl, expected) in [
            (json!(false), SslMode::Disable),
            (json!(true), SslMode::VerifyFull),
            (json!({}), SslMode::VerifyFull),
            (json!({ "require": true, "rejectUnauthorized": true }), SslMode::VerifyFull),
            (json!({ "require": true, "rejectUnauthorized": false }), SslMode::Require),
            (json!({ "ca": "not looked at", "rejectUnauthorized": false }), SslMode::Require),
            (Value::Null, SslMode::Prefer),
        ] {
            assert_eq!(mode("postgres://h/d", Some(&ssl)).unwrap(), expected, "{ssl}");
        }
        for ssl in
            [json!("yes"), json!({ "rejectUnauthorized": "false" }), json!({ "ca": 1 }), json!({ "ca": "no PEM" })]
        {
            let error = mode("postgres://h/d", Some(&ssl)).unwrap_err();
            assert!(error.to_string().contains("store.dialectOptions.ssl"), "{error}");
        }
    }

    #[test]
    fn a_missing_authority_is_named() {
        let error = mode("postgres://h/d?sslmode=verify-ca&sslrootcert=/no/such.pem", None).unwrap_err();
        assert!(error.to_string().contains("/no/such.pem"), "{error}");
    }

    /// A certificate of `tests/fixtures/tls`.
    fn certificate(name: &str) -> CertificateDer<'static> {
        let path = format!("{}/tests/fixtures/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        CertificateDer::from_pem_file(path).unwrap()
    }

    #[test]
    fn a_certificate_is_checked_as_far_as_the_mode_says() {
        let verify_at = |now: UnixTime, roots: Option<&str>, mode: SslMode, server: &str, host: &str| {
            let roots = roots.map(|root| vec![certificate(root)]).unwrap_or_default();
            let verifier = Verifier::new(mode, roots, Arc::new(aws_lc_rs::default_provider())).unwrap();
            let host = ServerName::try_from(host.to_owned()).unwrap();
            verifier.verify_server_cert(&certificate(server), &[], &host, &[], now).is_ok()
        };
        let verify = |roots, mode, server, host| verify_at(UnixTime::now(), roots, mode, server, host);
        let in_two_centuries = UnixTime::since_unix_epoch(std::time::Duration::from_secs(7_500_000_000));
        let (full, authority) = (SslMode::VerifyFull, SslMode::VerifyCa);
        let (right, wrong) = ("db.example.com", "other.example.com");
        for server in ["server", "self-signed"] {
            let root = if server == "server" { "ca" } else { server };
            assert!(
                verify(Some(root), full, server, right) && verify(Some(root), authority, server, wrong),
                "{server}"
            );
            assert!(!verify(Some(root), full, server, wrong), "{server}: the name");
            for mode in [full, authority] {
                assert!(!verify_at(in_two_centuries, Some(root), mode, server, right), "{server}: the date");
            }
            for other in [None, Some(if server == "server" { "self-signed" } else { "ca" })] {
                assert!(!verify(other, authority, server, right), "{server}: the authority {other:?}");
                assert!(verify(other, SslMode::Require, server, wrong), "{server}: nothing is required");
            }
        }
    }
}
