//! The Connect tenant of a Forge invocation, from what is stored. What is not stored is found out in the background, see
//! [`crate::association`].

use std::sync::Arc;

use actix_web::web::Data;
use secrecy::SecretString;

use crate::association::{Observed, SiteOf, observe};
use crate::error::Error;
use crate::installation::{Api, Apis, Installed, own_environment, site_keys};
use crate::jwt::ForgeClaims;
use crate::outbound::Means;
use crate::state::State;
use crate::tenants::{Tenant, origin_of};

/// The keys of the installation's sites. The first is the key of a tenant that is on Forge alone.
/// `other_app` is the bare id of the app, unless it is the first of the configuration.
pub(super) fn site_keys_of(state: &State, claims: &ForgeClaims, other_app: Option<&str>) -> Vec<String> {
    site_keys(claims, Installed { product: state.config.product, other_app })
}

/// The tenant that is stored for the installation, else for one of its sites.
pub(super) async fn tenant_of(
    state: &State,
    claims: &ForgeClaims,
    other_app: Option<&str>,
) -> Result<Option<Arc<Tenant>>, Error> {
    if let Some(tenant) = state.tenants.of_installation(&claims.app.installation_id).await? {
        return Ok(Some(tenant));
    }
    Ok(state.tenants.of_sites(&site_keys_of(state, claims, other_app)).await?)
}

/// Has the installation of a verified invocation looked at, in the background.
pub(super) fn look_at(
    state: &Data<State>,
    claims: &ForgeClaims,
    apis: &Apis,
    other_app: Option<&str>,
    app_token: Option<&SecretString>,
) {
    let is_sure = claims.is_unattended();
    let means = match app_token {
        None => Means::Claims,
        Some(_) if is_sure => Means::AppToken,
        Some(_) => Means::PageToken,
    };
    observe(state, &claims.app.installation_id, means, || Observed {
        installation_id: claims.app.installation_id.clone(),
        sites: sites(state, claims, apis, other_app),
        site_url: claims.site_url().and_then(origin_of),
        app: claims.app.id.clone(),
        environment: claims.app.environment.kind.clone(),
        has_connect: other_app.is_none() && is_own_environment(state, claims),
        app_token: app_token.cloned(),
        is_sure,
    });
}

/// Whether it is the environment that the deployment is for. The site answers the app's other environments as well, and
/// their data stays apart.
fn is_own_environment(state: &State, claims: &ForgeClaims) -> bool {
    let kind = claims.app.environment.kind();
    own_environment(&state.config).is_none_or(|own| own.eq_ignore_ascii_case(kind))
}

/// The keys of the installation's sites, each with the API of its product.
fn sites(state: &State, claims: &ForgeClaims, apis: &Apis, other_app: Option<&str>) -> Vec<SiteOf> {
    let keys = site_keys_of(state, claims, other_app).into_iter();
    let with_api = keys.map(|key| {
        let api = apis.of_site(&key).or(apis.first()).map(Api::url).unwrap_or_default().to_owned();
        SiteOf { key, api }
    });
    with_api.collect()
}
