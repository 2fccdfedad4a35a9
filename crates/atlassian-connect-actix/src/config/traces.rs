//! The settings of traces, in OpenTelemetry's own variables.
//!
//! As OpenTelemetry asks, a value that cannot be used is a warning and not an error: these variables are often set for
//! all programs of a machine.
//!
//! Source: OpenTelemetry, "Environment Variable Specification" and "OTLP Exporter Configuration".

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::Vars;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
/// The default of OpenTelemetry.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go, and which.
#[derive(Clone)]
pub struct TraceConfig {
    /// The URL that gets the spans: `http://localhost:4318/v1/traces`.
    pub endpoint: Url,
    /// The headers of these requests. Their values may be secrets.
    pub headers: Vec<(String, String)>,
    /// How long a request to the endpoint may take, with its retries.
    pub timeout: Duration,
    /// `OTEL_SERVICE_NAME`, else `service.name` of `OTEL_RESOURCE_ATTRIBUTES`.
    pub service_name: Option<String>,
    /// The other attributes of `OTEL_RESOURCE_ATTRIBUTES`.
    pub attributes: Vec<(String, String)>,
    /// Which requests are traced.
    pub sampling: Sampling,
}

/// Which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The share of the requests, from 0 to 1.
    pub share: f64,
    /// Whether a caller that does not trace its request can turn tracing off for it.
    pub heeds_caller: bool,
}

/// Shows no headers.
impl fmt::Debug for TraceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceConfig")
            .field("endpoint", &self.server())
            .field("sampling", &self.sampling)
            .finish_non_exhaustive()
    }
}

impl TraceConfig {
    /// The server of the endpoint, for the log: credentials, path and query may have secrets.
    pub fn server(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}

/// `None` if there is no endpoint, or `OTEL_SDK_DISABLED` is `true`.
pub(super) fn resolve(vars: &Vars, warnings: &mut Vec<String>) -> Option<TraceConfig> {
    let is_true = |name: &str| vars.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    let wants_none = vars.get("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter.trim() == "none");
    if is_true("OTEL_SDK_DISABLED") || wants_none {
        return None;
    }
    let endpoint = endpoint(vars, warnings)?;
    if let Some(protocol) = of_traces(vars, "PROTOCOL").filter(|protocol| protocol.trim() != "http/protobuf") {
        warnings.push(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {protocol:?}: traces are sent by http/protobuf"));
    }
    let (mut attributes, mut service_name) = (Vec::new(), vars.get("OTEL_SERVICE_NAME").map(str::to_owned));
    for (key, value) in pairs(vars.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()) {
        if key == "service.name" {
            service_name.get_or_insert(value);
        } else {
            attributes.push((key, value));
        }
    }
    let timeout = of_traces(vars, "TIMEOUT").and_then(|text| text.trim().parse().ok());
    Some(TraceConfig {
        endpoint,
        headers: of_traces(vars, "HEADERS").map(pairs).unwrap_or_default(),
        timeout: timeout.map_or(TIMEOUT, Duration::from_millis),
        service_name,
        attributes,
        sampling: sampling(vars, warnings),
    })
}

/// A variable for traces alone, else the one for all signals.
fn of_traces<'a>(vars: &'a Vars, name: &str) -> Option<&'a str> {
    vars.get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| vars.get(&format!("OTEL_EXPORTER_OTLP_{name}")))
}

fn endpoint(vars: &Vars, warnings: &mut Vec<String>) -> Option<Url> {
    let (name, value, path) = match (vars.get(TRACES_ENDPOINT), vars.get(ENDPOINT)) {
        (Some(value), _) => (TRACES_ENDPOINT, value, ""),
        (None, Some(value)) => (ENDPOINT, value, "v1/traces"),
        (None, None) => return None,
    };
    let parsed = Url::parse(value.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(mut url) = parsed else {
        // the value may have credentials
        warnings.push(format!("{name} is not a URL like http://localhost:4318: no traces are exported"));
        return None;
    };
    if !path.is_empty() {
        let above = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{above}/{path}"));
    }
    Some(url)
}

/// `name=value` pairs, separated by commas, the values percent-encoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned())).filter(|(name, _)| !name.is_empty())
    };
    text.split(',').filter_map(pair).collect()
}

fn sampling(vars: &Vars, warnings: &mut Vec<String>) -> Sampling {
    let name = vars.get(SAMPLER).unwrap_or("parentbased_always_on").trim();
    let heeds_caller = name.starts_with("parentbased_");
    let share = match name.strip_prefix("parentbased_").unwrap_or(name) {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => {
            let ratio = vars.get(SAMPLER_ARG).map(|text| text.trim().parse::<f64>());
            match ratio {
                Some(Ok(ratio)) if (0.0..=1.0).contains(&ratio) => ratio,
                _ => {
                    warnings.push(format!("{SAMPLER_ARG} is not a number from 0 to 1: every request is traced"));
                    1.0
                }
            }
        }
        _ => {
            warnings.push(format!("{SAMPLER} is {name:?}, which is not supported: parentbased_always_on is used"));
            return Sampling { share: 1.0, heeds_caller: true };
        }
    };
    Sampling { share, heeds_caller }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (Option<TraceConfig>, Vec<String>) {
        let mut warnings = Vec::new();
        (resolve(&variables.iter().copied().collect(), &mut warnings), warnings)
    }

    #[test]
    fn the_endpoint_is_that_of_traces_or_below_that_of_all_signals() {
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
        for (variables, expected) in [
            (&[(base, "http://c:4318")] as &[_], "http://c:4318/v1/traces"),
            (&[(base, "https://c/otlp/")], "https://c/otlp/v1/traces"),
            (&[(base, "http://c:4318"), (TRACES_ENDPOINT, "http://t/in")], "http://t/in"),
        ] {
            assert_eq!(of(variables).0.unwrap().endpoint.as_str(), expected);
        }
        for off in [
            &[] as &[_],
            &[(base, "")],
            &[(base, "http://c"), ("OTEL_SDK_DISABLED", "true")],
            &[(base, "http://c"), ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            let (config, warnings) = of(off);
            assert!(config.is_none() && warnings.is_empty(), "{off:?} {warnings:?}");
        }
        for bad in ["c:4318", "user:hunter2@c", "ftp://c", "//c"] {
            let (config, warnings) = of(&[(base, bad)]);
            assert!(config.is_none() && warnings.len() == 1 && !warnings[0].contains("hunter2"), "{bad} {warnings:?}");
        }
    }

    #[test]
    fn names_headers_and_times_are_read() {
        let (config, warnings) = of(&[
            (ENDPOINT, "http://u:hunter2@c/hunter2?key=hunter2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2, x = a%20b,bad,=c"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=prod,team=a%2Cb"),
            ("OTEL_SERVICE_NAME", "notes"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ]);
        let config = config.unwrap();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(config.headers, [("api-key", "hunter2"), ("x", "a b")].map(owned));
        assert_eq!(config.service_name.as_deref(), Some("notes"));
        assert_eq!(config.attributes, [("deployment.environment.name", "prod"), ("team", "a,b")].map(owned));
        assert_eq!(config.timeout, Duration::from_millis(2500));
        assert_eq!(warnings, Vec::<String>::new());
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }

    #[test]
    fn samplers_by_name() {
        let on = (ENDPOINT, "http://c");
        for (name, ratio, share, heeds_caller, warns) in [
            ("", "", 1.0, true, false),
            ("always_on", "", 1.0, false, false),
            ("always_off", "", 0.0, false, false),
            ("traceidratio", "0.25", 0.25, false, false),
            ("parentbased_always_on", "0.25", 1.0, true, false),
            ("parentbased_always_off", "", 0.0, true, false),
            ("parentbased_traceidratio", "0.01", 0.01, true, false),
            ("parentbased_traceidratio", "", 1.0, true, true),
            ("parentbased_traceidratio", "2", 1.0, true, true),
            ("traceidratio", "NaN", 1.0, false, true),
            ("xray", "", 1.0, true, true),
        ] {
            let (config, warnings) = of(&[on, (SAMPLER, name), (SAMPLER_ARG, ratio)]);
            assert_eq!(config.unwrap().sampling, Sampling { share, heeds_caller }, "{name} {ratio}");
            assert_eq!(!warnings.is_empty(), warns, "{name} {ratio} {warnings:?}");
        }
        let (_, warnings) = of(&[on, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(warnings[0].contains("http/protobuf"), "{warnings:?}");
    }
}
