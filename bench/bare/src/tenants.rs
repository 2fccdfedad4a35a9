//! The tenants: rows of the app's database, cached as the framework caches them.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Deserialize;
use url::Url;

diesel::table! {
    #[sql_name = "AddonSettings"]
    settings (id) {
        id -> Integer,
        #[sql_name = "clientKey"]
        client_key -> Nullable<Text>,
        key -> Nullable<Text>,
        val -> Nullable<Text>,
    }
}

pub(crate) type Connections = Pool<ConnectionManager<SqliteConnection>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installation {
    client_key: String,
    #[serde(default)]
    key: Option<String>,
    shared_secret: String,
    base_url: String,
}

pub(crate) struct Tenant {
    pub(crate) client_key: String,
    pub(crate) key: Option<String>,
    pub(crate) base_url: String,
    pub(crate) origin: String,
    pub(crate) stylesheet_url: String,
    pub(crate) security_policy: String,
    pub(crate) verifying: DecodingKey,
    pub(crate) signing: EncodingKey,
}

pub(crate) struct Tenants {
    pub(crate) connections: Connections,
    known: moka::sync::Cache<String, Arc<Tenant>>,
}

impl Tenants {
    pub(crate) fn open(file: &str) -> Result<Self, diesel::r2d2::PoolError> {
        let connections = Pool::builder().max_size(8).build(ConnectionManager::new(file))?;
        let known = moka::sync::Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(10)).build();
        Ok(Self { connections, known })
    }

    /// A tenant. What is not cached is read on a thread for blocking work, as actix-web asks of its apps.
    pub(crate) async fn find(&self, client_key: &str) -> Option<Arc<Tenant>> {
        if let Some(tenant) = self.known.get(client_key) {
            return Some(tenant);
        }
        let (connections, sought) = (self.connections.clone(), client_key.to_owned());
        let read = move || value_of(&mut *connections.get().ok()?, &sought, "clientInfo").ok()?;
        let tenant = Arc::new(tenant(&web::block(read).await.ok()??)?);
        self.known.insert(client_key.to_owned(), Arc::clone(&tenant));
        Some(tenant)
    }
}

fn tenant(stored: &str) -> Option<Tenant> {
    let read: Installation = serde_json::from_str(stored).ok()?;
    let base_url = read.base_url.trim_end_matches('/').to_owned();
    let origin = Url::parse(&base_url).ok()?.origin().ascii_serialization();
    Some(Tenant {
        client_key: read.client_key,
        key: read.key,
        stylesheet_url: format!("{base_url}/atlassian-connect/all.css"),
        security_policy: format!("frame-ancestors {origin}"),
        origin,
        base_url,
        verifying: DecodingKey::from_secret(read.shared_secret.as_bytes()),
        signing: EncodingKey::from_secret(read.shared_secret.as_bytes()),
    })
}

/// The newest value of a tenant under a key.
pub(crate) fn value_of(connection: &mut SqliteConnection, client_key: &str, key: &str) -> QueryResult<Option<String>> {
    let rows = settings::table.filter(settings::client_key.eq(client_key)).filter(settings::key.eq(key));
    let found = rows.order(settings::id.desc()).select(settings::val).first::<Option<String>>(connection);
    found.optional().map(Option::flatten)
}
