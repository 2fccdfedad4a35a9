//! `forge rotate-page-key`.

use super::super::failure::{Exit, Failure};
use super::super::output::print;
use super::super::store_access::{existing_store, for_the_store};
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Vars;
use atlassian_connect_actix::store::internal::admin::{TablesFound, survey};
use atlassian_connect_actix::store::{StoreConfig, StoreError};

pub(super) async fn rotate(builder: AddonBuilder, vars: Vars) -> Result<Exit, Failure> {
    let config = builder.load_config_with(&for_the_store(vars))?;
    if !config.page_keys.is_empty() {
        return Err(Failure::Message(
            "pageKeys is configured, and its first key signs the tokens of pages. Add a new key before the others in \
             AC_PAGE_KEYS (or pageKeys in config.json) and restart every node. Remove the old key when its tokens have \
             expired, after 15 minutes or maxTokenAge."
                .to_owned(),
        ));
    }
    if builder.own_store().is_none()
        && let Some(reason) = no_key(&config.store).await?
    {
        return Err(Failure::Message(reason));
    }
    let (store, place) = existing_store(&builder, &config.store).await?;
    let addon = builder.at_rest(config, store).await?;
    addon.rotate_page_key().await?;
    print(&format!(
        "The tokens of pages are now signed with a new key in {place}. Other nodes follow within a minute.\n\
         Tokens of the old key stay valid until they expire, after 15 minutes or maxTokenAge. Wait that long before you \
         rotate again, unless the key has leaked."
    ));
    Ok(Exit::Done)
}

/// Why no key can be rotated. `None`: there may be one.
async fn no_key(store: &StoreConfig) -> Result<Option<String>, StoreError> {
    let place = store.redacted_url();
    let state = match survey(store).await?.tables {
        TablesFound::InMemory => {
            return Ok(Some(
                "No key to rotate: the store is in memory, so each process has a key of its own. Restart the app: \
                 it makes a new one."
                    .to_owned(),
            ));
        }
        TablesFound::NoFile => "does not exist yet",
        TablesFound::None => "has no tables yet",
        TablesFound::All(_) | TablesFound::NotNeeded | TablesFound::Wrong(_) => return Ok(None),
    };
    Ok(Some(format!(
        "No key to rotate: the store {place} {state}. The app makes the key when it first shows a page on Forge. If \
         the app has another store, name it in DATABASE_URL."
    )))
}
