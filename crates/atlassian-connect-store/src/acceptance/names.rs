//! Names: every text is only itself.

use serde_json::json;

use super::installation;
use super::lists::all_keys;
use crate::{Place, Store, StoreError, now};

pub async fn hostile_names_are_names(store: &dyn Store) {
    let long = "x".repeat(255);
    #[rustfmt::skip]
    let names = [
        "'", "\"", "`", "\\", "\\'; DROP TABLE \"AddonSettings\"; --", "' OR '1'='1", "%", "_", "$1", "?", "@json", "",
        " ",
        "a\nb", "\u{feff}", "../../etc/passwd", "null", long.as_str(),
    ];
    for (n, name) in names.iter().enumerate() {
        store.set(Place::of_tenant(name, name), &json!(n)).await.unwrap();
        store.set(Place::of_forge(name, name), &json!(n)).await.unwrap();
        store.associate(name, name).await.unwrap();
    }
    for (n, name) in names.iter().enumerate() {
        assert_eq!(store.get(Place::of_tenant(name, name)).await.unwrap(), Some(json!(n)), "{name:?}");
        assert_eq!(store.get(Place::of_forge(name, name)).await.unwrap(), Some(json!(n)), "{name:?}");
        assert_eq!(store.client_key_of_installation(name).await.unwrap().as_deref(), Some(*name));
        assert!(store.installations(name).await.unwrap().is_empty(), "{name:?}");
    }
    assert!(store.tenants(Some("' OR 1=1 --"), 10).await.unwrap().tenants.is_empty());

    // No column can hold these. Reading under them finds nothing, and writing is refused.
    let too_long = "ä".repeat(256);
    for name in ["a\0b", too_long.as_str()] {
        assert_eq!(store.get(Place::of_tenant(name, "key")).await.unwrap(), None);
        assert_eq!(store.get(Place::of_tenant("tenant", name)).await.unwrap(), None);
        assert_eq!(store.get(Place::of_forge(name, "key")).await.unwrap(), None);
        assert_eq!(store.client_key_of_installation(name).await.unwrap(), None);
        assert!(store.values(Place::of_tenant(name, "key")).await.unwrap().is_empty());
        assert!(!store.purge(name, now()).await.unwrap());
        assert!(store.installations(name).await.unwrap().is_empty());
        assert!(!store.delete(Place::of_tenant(name, "key")).await.unwrap());
        assert!(!store.uninstall(name).await.unwrap());
        let refused = [
            store.set(Place::of_tenant(name, "key"), &json!(1)).await,
            store.set(Place::of_tenant("tenant", name), &json!(1)).await,
            store.set(Place::of_forge(name, "key"), &json!(1)).await,
            store.associate(name, "tenant").await,
            store.save_installation(name, &json!({}), None).await,
            store.save_installation("tenant", &json!({}), Some(name)).await,
        ];
        assert!(refused.iter().all(|outcome| matches!(outcome, Err(StoreError::Refused(_)))), "{refused:?}");
    }
    assert!(store.installations("tenant").await.unwrap().is_empty(), "a refused install leaves nothing");
}

pub async fn names_differ_by_every_byte(store: &dyn Store) {
    // Equal in a database with a locale's collation.
    let names = ["tenant", "Tenant", "TENANT", "tenant ", "tenant  ", "ténant", "te\u{301}nant", "tenant\t", "ｔenant"];
    for name in names {
        assert!(store.installations(name).await.unwrap().is_empty(), "{name:?}");
        assert_eq!(store.client_key_of_installation(name).await.unwrap(), None, "{name:?}");
        store.save_installation(name, &installation(name, "old"), Some(name)).await.unwrap();
        store.save_installation(name, &installation(name, "secret"), Some(name)).await.unwrap();
        store.set(Place::of_tenant(name, "key"), &json!(name)).await.unwrap();
        store.set(Place::of_tenant("owner", name), &json!(name)).await.unwrap();
        store.set(Place::of_forge(name, "key"), &json!(name)).await.unwrap();
        store.set(Place::of_forge("owner", name), &json!(name)).await.unwrap();
    }
    let unchanged = async |names: &[&str]| {
        for &name in names {
            assert_eq!(store.installations(name).await.unwrap(), [installation(name, "secret")], "{name:?}");
            assert_eq!(store.get(Place::of_tenant(name, "key")).await.unwrap(), Some(json!(name)));
            assert_eq!(store.get(Place::of_tenant("owner", name)).await.unwrap(), Some(json!(name)));
            assert_eq!(store.get(Place::of_forge(name, "key")).await.unwrap(), Some(json!(name)));
            assert_eq!(store.get(Place::of_forge("owner", name)).await.unwrap(), Some(json!(name)));
            assert_eq!(store.client_key_of_installation(name).await.unwrap().as_deref(), Some(name));
        }
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        for limit in [1, 2, 100] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = store.tenants(after.as_deref(), limit).await.unwrap();
                seen.extend(page.tenants.into_iter().map(|(name, _)| name));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, sorted, "{limit} per page");
        }
    };
    unchanged(&names).await;
    assert_eq!(store.get(Place::of_tenant("owner", "KEY")).await.unwrap(), None);
    assert!(store.values(Place::of_tenant("tenant", "clientInfo ")).await.unwrap().is_empty());

    // changing one changes no other
    let place = Place::of_tenant(names[0], "key");
    assert!(store.exchange(place, Some(&json!(names[0])), Some(&json!("new"))).await.unwrap());
    assert!(
        store.delete(Place::of_tenant("owner", names[0])).await.unwrap()
            && store.delete(Place::of_forge("owner", names[0])).await.unwrap()
    );
    assert!(store.uninstall(names[0]).await.unwrap());
    unchanged(&names[1..]).await;
    assert!(store.purge(names[0], now()).await.unwrap());
    unchanged(&names[1..]).await;
    assert!(store.remove(names[1]).await.unwrap());
    assert!(
        store.delete(Place::of_tenant("owner", names[1])).await.unwrap()
            && store.delete(Place::of_forge("owner", names[1])).await.unwrap()
    );
    unchanged(&names[2..]).await;

    let mut listed = all_keys(store, 1).await;
    assert_eq!(listed, all_keys(store, 3).await);
    listed.retain(|(owner, _)| owner != "owner");
    let mut left = names[2..].to_vec();
    left.sort_unstable();
    assert_eq!(listed.into_iter().map(|(owner, _)| owner).collect::<Vec<_>>(), left);
}
