//! The Content Security Policy of a Custom UI page, as Forge's CDN sends it.
//!
//! Source: npm `@forge/csp` 6.3.2, `CSPInjectionService.getInjectableCSP` for `prod`. tests/forge-pages compares
//! `policy.expected.txt` with what that package writes.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const DOWNLOADS: [&str; 3] = [
    "https://tdp-os.services.atlassian.com/fos-eap/download/",
    "https://tdp-os.services.atlassian.com/fos/app/download/",
    "https://tdp-os.services.atlassian.com/fos/cdn/download/",
];
const UPLOADS: [&str; 3] = [
    "https://tdp-os.services.atlassian.com/fos-eap/upload/",
    "https://tdp-os.services.atlassian.com/fos/app/upload/",
    "https://tdp-os.services.atlassian.com/fos/cdn/upload/",
];
const OBJECTS: &str = "https://object-store.atlassian.com/os/ecosystem/installation/";
const MEDIA: &str = "https://api.media.atlassian.com";
const API: &str = "https://api.atlassian.com";
const AVATARS: &str = "avatar-management--avatars.us-west-2.prod.public.atl-paas.net";
const TEAMS: &str = "https://teams-directory-frontend.prod-east.frontend.public.atl-paas.net/assets/";
const SCRIPTS: &str = "https://forge.cdn.prod.atlassian-dev.net";
const PRODUCTS: &str = "*.atlassian.net bitbucket.org *.jira.com *.atlassian.com *.frontend.public.atl-paas.net";
const SANDBOX: &str = "allow-popups allow-popups-to-escape-sandbox allow-downloads allow-forms allow-modals \
                       allow-pointer-lock allow-same-origin allow-scripts";

/// What a policy depends on.
pub(super) struct Facts<'a> {
    /// The product's page: `product.localhost:3001`.
    pub(super) hostname: &'a str,
    /// `permissions.external.frames` of the manifest.
    pub(super) frames: &'a [String],
    /// Hashes of the page's inline scripts.
    pub(super) scripts: &'a [String],
    /// Where violations are reported: not to Atlassian.
    pub(super) reports: &'a str,
}

/// The header's value.
pub(super) fn policy(facts: &Facts<'_>) -> String {
    let Facts { hostname, .. } = *facts;
    let (downloads, uploads) = (DOWNLOADS.join(" "), UPLOADS.join(" "));
    let stored = format!("{downloads} {OBJECTS}");
    let images = format!(
        "https://secure.gravatar.com https://images.unsplash.com https://{AVATARS} https://*.wp.com/{AVATARS}/ {API} {MEDIA} \
         https://pf-emoji-service.prod-east.frontend.public.atl-paas.net \
         https://pf-reactions-service.prod-east.frontend.public.atl-paas.net https://assets-media.atlassian.com {TEAMS} \
         {TEAMS}gradients/ {stored}"
    );
    let called = format!(
        "{API}/metal/ingest {API}/gateway/api/emoji/ {API}/gateway/api/elements/emoji {MEDIA} https://as.atlassian.com \
         https://forge-outbound-proxy.services.atlassian.com {downloads} {uploads} {OBJECTS} {SCRIPTS}"
    );
    [
        format!("default-src 'self' {stored}"),
        format!("frame-ancestors 'self' {PRODUCTS} {hostname} {stored}"),
        format!("frame-src 'self' {hostname} {MEDIA}{} {stored}", listed(facts.frames)),
        format!("font-src 'self' {stored}"),
        format!("img-src 'self' data: blob: {hostname} {images}"),
        format!("media-src 'self' data: blob: {hostname} {MEDIA} {stored}"),
        format!("connect-src 'self' {hostname} {called}"),
        format!("script-src 'self' {SCRIPTS} {stored}{}", listed(facts.scripts)),
        format!("style-src 'self' {hostname} {SCRIPTS} {stored}"),
        "form-action 'self'".to_owned(),
        format!("sandbox {SANDBOX}"),
        format!("report-uri {}", facts.reports),
    ]
    .join("; ")
}

fn listed(sources: &[String]) -> String {
    sources.iter().fold(String::new(), |listed, source| listed + " " + source)
}

/// `'sha256-…'` of a script that stands in the page.
pub(super) fn hash(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, script.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_forges_own_package_writes() {
        let expected = include_str!("policy.expected.txt").trim_end().replace('\n', "; ");
        let written = policy(&Facts {
            hostname: "product.localhost:3001",
            frames: &["http://localhost:3000".to_owned()],
            scripts: &[hash("{\"protocol\":1}")],
            reports: "http://jira.cdn.localhost:3001/violations",
        });
        assert_eq!(written, expected);
    }
}
