//! The script that stands in for Atlassian's `all.js` in a page on Forge.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{self, CacheControl, CacheDirective, EntityTag, Header as _, IfNoneMatch};
use aws_lc_rs::digest::{SHA256, digest};

use crate::config::ShellOrigin;
use crate::error::Error;
use crate::jwt::to_hex;
use crate::state::AddonState;

/// Where it is, below the base URL.
pub(crate) const PATH: &str = "/forge/ap.js";
const SOURCE: &str = include_str!("../../../assets/ap.js");
/// What stands in the source for the origins that the shell may have.
const ALLOWED_SHELLS: &str = "/* allowed shells */ []";

pub(super) async fn serve(addon: AddonState, request: HttpRequest) -> Result<HttpResponse, Error> {
    let script = script(&addon.config.forge_shell_origins)?;
    let tag = EntityTag::new_strong(to_hex(digest(&SHA256, script.as_bytes()).as_ref()));
    let known = IfNoneMatch::parse(&request).ok();
    let is_known = match &known {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        None => false,
    };
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // a new version of the app must not meet an old script for long
    let caching = [CacheDirective::Public, CacheDirective::MaxAge(300)].to_vec();
    answer.insert_header(header::ETag(tag)).insert_header(CacheControl(caching));
    if is_known {
        return Ok(answer.finish());
    }
    Ok(answer.content_type("text/javascript; charset=utf-8").body(script))
}

fn script(allowed: &[ShellOrigin]) -> Result<String, Error> {
    let patterns: Vec<String> = allowed.iter().map(ShellOrigin::pattern).collect();
    Ok(SOURCE.replacen(ALLOWED_SHELLS, &serde_json::to_string(&patterns)?, 1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_script_has_one_place_for_the_origins() {
        assert_eq!(super::SOURCE.matches(super::ALLOWED_SHELLS).count(), 1);
    }
}
