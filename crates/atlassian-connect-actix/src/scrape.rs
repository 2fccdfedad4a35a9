//! `/metrics`: what [`crate::measure`] has recorded, and what is looked up for each scrape.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, guard, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::TryStreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::association::SITES;
use crate::deliveries::CAPACITY;
use crate::error::Error;
use crate::measure::{self, Levels};
use crate::state::{AddonState, State};
use crate::store::internal::{AppDatabase, now};
use crate::store::{Place, PoolState, Store};
use crate::tenants::Tenant;

/// The content type of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The owner of the stored count. No installation has this id.
const OWNER: &str = "atlassian-connect:metrics";
const COUNT: &str = "tenants";
/// How long the store may take to return the last count. Without it, a scrape has the count of the scrape before.
const LIMIT: Duration = Duration::from_secs(1);
/// After so many tenants, the count pauses. With many tenants it would keep a connection of the store busy for long.
const BATCH: u64 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// How many tenants there were, and how many of them are on Forge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    installed: u64,
    on_forge: u64,
    /// Seconds since 1970.
    at: u64,
}

/// Mounts `/metrics` beside the app's routes, if it has a token.
pub(crate) fn routes(cfg: &mut web::ServiceConfig, state: &State) {
    if state.config.metrics.token.is_some() {
        cfg.service(web::resource("/metrics").guard(guard::Get()).to(show));
    }
}

/// Serves nothing but `/metrics` on `listener`.
///
/// # Errors
/// The listener cannot be used.
pub(crate) fn serve(listener: TcpListener, state: &web::Data<State>) -> std::io::Result<Server> {
    let state = state.clone();
    let app =
        move || App::new().app_data(state.clone()).service(web::resource("/metrics").guard(guard::Get()).to(show));
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

async fn show(request: HttpRequest, state: AddonState) -> Result<HttpResponse, Error> {
    if let Some(token) = &state.config.metrics.token
        && !is_sent(&request, token)
    {
        let detail = "the request for metrics has no valid token (metrics.token)";
        return Err(Error::unauthorized_because("This needs the token for metrics.", detail).asking_for("Bearer"));
    }
    levels(&state).await.record();
    // a guard of the configuration: without it nothing is recorded, and no route leads here
    let text = measure::render().ok_or_else(|| Error::internal("metrics are not recorded"))?;
    Ok(HttpResponse::Ok().content_type(TEXT).body(text))
}

/// Whether the request brings this token. The time of the comparison depends on neither.
fn is_sent(request: &HttpRequest, token: &SecretString) -> bool {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    let sent = hash(sent.map_or("", |(_, token)| token.trim()));
    verify_slices_are_equal(sent.as_ref(), hash(token.expose_secret()).as_ref()).is_ok()
}

async fn levels(state: &State) -> Levels {
    let store = state.tenants.store();
    let words = |pool: PoolState| [pool.connections, pool.idle, pool.waiting];
    let pools = [("store", store.pool()), ("app", state.database().map(AppDatabase::pool))];
    let (events, event_bytes, oldest_event) = state.deliveries.levels();
    let count = tokio::time::timeout(LIMIT, store.get(Place::of_forge(OWNER, COUNT))).await;
    let count = count.ok().and_then(Result::ok).flatten().and_then(|value| Count::deserialize(value).ok());
    Levels {
        cached: state.tenants.cached_count(),
        events: (events, CAPACITY),
        event_bytes,
        oldest_event,
        pools: pools.into_iter().filter_map(|(name, pool)| Some((name, words(pool?)))).collect(),
        tenants: count.map(|count| (count.installed, count.on_forge, count.at)),
    }
}

/// Whether the tenant's install named a Forge installation, or one was associated with it later.
async fn is_on_forge(store: &dyn Store, tenant: &Tenant) -> Result<bool, Error> {
    let sites = || store.get(Place::of_tenant(tenant.client_key(), SITES));
    Ok(tenant.installation().installation_id.is_some() || sites().await?.is_some())
}

/// Counts the tenants and stores the result for all nodes.
///
/// # Errors
/// The store's.
pub(crate) async fn count_tenants(
    store: &dyn Store,
    tenants: impl futures_util::Stream<Item = Result<std::sync::Arc<Tenant>, Error>>,
) -> Result<(), Error> {
    let (mut tenants, mut count) = (std::pin::pin!(tenants), Count::default());
    while let Some(tenant) = tenants.try_next().await? {
        count.installed += 1;
        count.on_forge += u64::from(is_on_forge(store, &tenant).await?);
        if count.installed.is_multiple_of(BATCH) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    count.at = now();
    Ok(store.set(Place::of_forge(OWNER, COUNT), &serde_json::to_value(count)?).await?)
}
