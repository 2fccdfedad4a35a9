//! Sites that accept their tenant, and sites that do not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::site::{Answer, INFO, Site};
use super::{install, installation, now, owner, record, result, run, workplace};
use crate::app::{FAILING, TOLD};
use crate::command::Workplace;
use crate::support::fixture;
use atlassian_connect_actix::store::{OwnerKind, Place};

#[actix_web::test]
async fn a_site_that_accepts_its_tenant_is_associated() {
    let place = workplace();
    let site = Site::start("cloud-1");
    install(&place, &site.tenant("jira-key")).await;
    install(&place, &site.confluence("confluence-key")).await;
    installation(&place, "ari:cloud:ecosystem::installation/1", &["ari:cloud:jira::site/cloud-1"]).await;
    installation(&place, "ari:cloud:ecosystem::installation/2", &["ari:cloud:jira::site/cloud-2"]).await;
    // another environment has other data
    let staging = "ari:cloud:jira::site/cloud-1/environment/STAGING";
    installation(&place, "ari:cloud:ecosystem::installation/3", &[staging]).await;

    let said = run(&place, &["associate"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    assert!(said.stdout.starts_with("asked for 2 tenants: 2 accepted; associated 2 sites and 1 Forge installation\n"));
    assert!(said.stdout.contains("2 of 2 installed tenants associated\n"), "{said:?}");
    let app = format!("/rest/atlassian-connect/1/addons/{}", fixture::KEY);
    let mut calls = site.calls();
    assert_eq!(calls.remove(0), INFO, "one request for both products");
    calls.sort();
    assert_eq!(calls, [app.clone(), format!("/wiki{app}")]);

    let store = place.store().await;
    for (id, tenant) in [
        ("ari:cloud:jira::site/cloud-1", Some("jira-key")),
        ("ari:cloud:confluence::site/cloud-1", Some("confluence-key")),
        ("ari:cloud:ecosystem::installation/1", Some("jira-key")),
        ("ari:cloud:ecosystem::installation/2", None),
        ("ari:cloud:ecosystem::installation/3", None),
        (staging, None),
    ] {
        assert_eq!(owner(store.as_ref(), id).await.as_deref(), tenant, "{id}");
    }
    let written = record(&place, "jira-key").await.unwrap();
    assert_eq!((written.cloud_id.as_deref(), written.status), (Some("cloud-1"), Some(200)));
    assert!(now().abs_diff(written.at) < 60, "{written:?}");

    // what is settled is not asked again, and what has come since is associated all the same
    installation(&place, "ari:cloud:ecosystem::installation/4", &["ari:cloud:jira::site/cloud-1"]).await;
    let said = run(&place, &["associate"]).await;
    assert!(
        said.code == 0
            && said.stdout.starts_with("no tenant had to be asked; associated 0 sites and 1 Forge installation\n"),
        "{said:?}"
    );
    assert_eq!(site.calls().len(), 3);
    assert_eq!(owner(store.as_ref(), "ari:cloud:ecosystem::installation/4").await.as_deref(), Some("jira-key"));
    let said = run(&place, &["associate", "--again"]).await;
    assert!(said.stdout.starts_with("asked for 2 tenants: 2 accepted; associated 0 sites and 0 "), "{said:?}");
    assert_eq!(site.calls().len(), 6);
}

#[actix_web::test]
async fn the_settings_of_a_site_follow_and_the_app_is_told() {
    let (place, site) = (workplace(), Site::start("c-1"));
    let failing = Arc::new(
        Workplace::new().var("DATABASE_URL", format!("sqlite:{}", place.path("addon.db").display())).var(FAILING, "1"),
    );
    install(&place, &site.tenant("acme")).await;
    let (store, key) = (place.store().await, "ari:cloud:jira::site/c-1");
    store.set(Place::of_tenant(key, "greeting"), &json!("hello")).await.unwrap();
    installation(&place, "ari:cloud:ecosystem::installation/1", &[key]).await;

    let said = run(&failing, &["associate"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.starts_with("1 could not be associated, the first because of: "), "{said:?}");
    assert!(said.stderr.ends_with("Run this again for them: acme\n"), "{said:?}");

    let said = run(&place, &["associate"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    let told = || std::fs::read_to_string(place.path(TOLD)).unwrap();
    assert_eq!(told(), format!("{key} -> acme\n"));
    assert_eq!(store.get(Place::of_tenant("acme", "greeting")).await.unwrap(), Some(json!("hello")));
    assert_eq!(store.get(Place::of_tenant(key, "greeting")).await.unwrap(), None);
    assert_eq!(owner(store.as_ref(), "ari:cloud:ecosystem::installation/1").await.as_deref(), Some("acme"));
    assert_eq!(run(&place, &["associate", "--again"]).await.code, 0);
    assert_eq!(told(), format!("{key} -> acme\n"), "once is enough");
}

#[actix_web::test]
async fn an_installation_with_several_products_belongs_to_the_tenant_of_the_first() {
    let (place, site) = (workplace(), Site::start("c"));
    install(&place, &site.tenant("jira-key")).await;
    install(&place, &site.confluence("confluence-key")).await;
    let (jira, confluence) = ("ari:cloud:jira::site/c", "ari:cloud:confluence::site/c");
    installation(&place, "ari:cloud:ecosystem::installation/1", &[jira, confluence]).await;
    installation(&place, "ari:cloud:ecosystem::installation/2", &[confluence, jira]).await;
    assert_eq!(run(&place, &["associate"]).await.code, 0);
    let store = place.store().await;
    for (number, tenant) in [(1, "jira-key"), (2, "confluence-key")] {
        let id = format!("ari:cloud:ecosystem::installation/{number}");
        assert_eq!(owner(store.as_ref(), &id).await.as_deref(), Some(tenant), "{id}");
    }
}

#[actix_web::test]
async fn other_answers_associate_nothing() {
    let place = workplace();
    let elsewhere = Site::start("cloud-else");
    let refused = |status| Answer::Text(status, "no");
    let sites = [
        ("denied", Site::start("c-1").proof(refused(401)), "stale", Some(401)),
        ("forbidden", Site::start("c-2").proof(refused(403)), "stale", Some(403)),
        ("gone", Site::start("c-3").proof(refused(404)), "stale", Some(404)),
        ("deleted", Site::start("c-4").info(refused(404)).proof(refused(404)), "stale", Some(404)),
        ("nameless", Site::start("c-5").info(refused(403)), "unreachable", Some(403)),
        (
            "moved",
            Site::start("c-6").info(Answer::Redirect(format!("{}/_edge/tenant_info", elsewhere.url))),
            "renamed",
            None,
        ),
        ("proofMoved", Site::start("c-7").proof(Answer::Redirect(format!("{}/x", elsewhere.url))), "renamed", None),
        ("broken", Site::start("c-8").info(refused(503)), "unreachable", Some(503)),
        ("busy", Site::start("c-9").info(refused(429)), "unreachable", Some(429)),
        ("html", Site::start("c-10").info(Answer::Text(200, "<p>hello")), "unreachable", Some(200)),
        ("otherJson", Site::start("c-11").info(Answer::Json(200, json!(["c-11"]))), "unreachable", Some(200)),
        ("badId", Site::start("c-12/x"), "unreachable", Some(200)),
        ("parked", Site::start("c-13").proof(Answer::Text(200, "<p>buy this name")), "unreachable", Some(200)),
        ("otherApp", Site::start("c-14").proof(Answer::Json(200, json!({ "key": "x" }))), "unreachable", Some(200)),
        ("proofBroken", Site::start("c-15").proof(refused(500)), "unreachable", Some(500)),
    ];
    for (name, site, ..) in &sites {
        install(&place, &site.tenant(name)).await;
    }
    let said = run(&place, &["associate"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (1, ""), "{said:?}");
    assert!(
        said.stdout.starts_with(
            "asked for 15 tenants: 4 refused, 2 renamed, 9 without an answer; associated 0 sites and 0 Forge \
             installations\n0 of 15 installed tenants associated; 9 unreachable, 2 renamed, 4 stale\n"
        ),
        "{said:?}"
    );
    let store = place.store().await;
    for (name, site, expected, status) in &sites {
        let written = record(&place, name).await.unwrap();
        assert_eq!((json!(written.result), written.status), (json!(expected), *status), "{name}");
        assert_eq!(written.moved_to.as_deref(), (*expected == "renamed").then_some(elsewhere.url.as_str()), "{name}");
        let keys = store.key_page(OwnerKind::Forge, None, 100).await.unwrap().owners;
        assert!(keys.iter().all(|(id, _)| !id.starts_with("ari:")), "{name}: {keys:?}");
        assert_eq!(site.asked().len(), 1, "{name}");
    }
    assert_eq!(elsewhere.calls(), Vec::<String>::new(), "another origin is not asked");

    // those without an answer are tried again, the others within 24 hours only if it is asked for
    for (_, site, ..) in &sites {
        site.recover();
    }
    let said = run(&place, &["associate"]).await;
    assert!(
        said.code == 1 && said.stdout.starts_with("asked for 9 tenants: 8 accepted, 1 without an answer; "),
        "{said:?}"
    );
    assert_eq!(owner(store.as_ref(), "ari:cloud:jira::site/c-8").await.as_deref(), Some("broken"));
    let said = run(&place, &["associate", "--again"]).await;
    assert!(said.stdout.starts_with("asked for 15 tenants: 14 accepted, 1 without an answer; "), "{said:?}");
    assert!(said.stdout.contains("14 of 15 installed tenants associated; 1 unreachable\n"), "{said:?}");
}

#[actix_web::test]
async fn a_redirect_within_the_site_is_followed() {
    let place = workplace();
    let site = Site::start("c").info(Answer::Redirect("/_edge/tenant_info".to_owned()));
    install(&place, &site.tenant("circle")).await;
    run(&place, &["associate"]).await;
    assert_eq!(result(&place, "circle").await, "unreachable");
    assert_eq!(site.asked().len(), 4, "but not for ever");
}

#[actix_web::test]
async fn a_silent_site_holds_up_nobody() {
    let place = workplace();
    let silent = Site::start("c-1").info(Answer::Silence);
    let half = Site::start("c-2").proof(Answer::Silence);
    let fast: Vec<Site> = (3..6).map(|number| Site::start(&format!("c-{number}"))).collect();
    install(&place, &silent.tenant("a-silent")).await;
    install(&place, &half.tenant("b-half")).await;
    for (number, site) in fast.iter().enumerate() {
        install(&place, &site.tenant(&format!("fast-{number}"))).await;
    }
    let begun = Instant::now();
    let said = run(&place, &["associate"]).await;
    assert!(said.code == 1 && said.stdout.contains("3 of 5 installed tenants associated; 2 unreachable"), "{said:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    for tenant in ["a-silent", "b-half"] {
        let written = record(&place, tenant).await.unwrap();
        assert_eq!((json!(written.result), written.status), (json!("unreachable"), None), "{tenant}");
    }
}

#[actix_web::test]
async fn at_most_two_sites_are_asked_in_a_second() {
    let place = workplace();
    let sites: Vec<Site> = (0..6).map(|number| Site::start(&format!("c-{number}"))).collect();
    for (number, site) in sites.iter().enumerate() {
        install(&place, &site.tenant(&format!("t-{number}"))).await;
    }
    assert_eq!(run(&place, &["associate"]).await.code, 0);
    let mut asked: Vec<Instant> = sites.iter().flat_map(Site::asked).collect();
    asked.sort();
    assert_eq!(asked.len(), 6);
    // the sixth comes two and a half seconds after the first; a busy machine may only add to that
    let took = asked[5] - asked[0];
    assert!(took >= Duration::from_millis(2400), "{took:?}");
}

#[actix_web::test]
async fn tenants_that_cannot_be_asked_are_left_out() {
    let place = workplace();
    let site = Site::start("c");
    let mut bitbucket = site.tenant("bitbucket");
    bitbucket.product = "bitbucket".to_owned();
    install(&place, &bitbucket).await;
    let store = place.store().await;
    let mute = json!({ "clientKey": "mute", "baseUrl": site.url });
    store.save_installation("mute", &mute, None).await.unwrap();
    let homeless = json!({ "clientKey": "homeless", "sharedSecret": "0123456789abcdef" });
    store.save_installation("homeless", &homeless, None).await.unwrap();
    install(&place, &site.tenant("uninstalled")).await;
    store.uninstall("uninstalled").await.unwrap();
    let said = run(&place, &["associate"]).await;
    assert!(said.code == 1 && said.stdout.starts_with("no tenant had to be asked; "), "{said:?}");
    assert!(said.stdout.contains("0 of 3 installed tenants associated; 1 unchecked, 2 unusable\n"), "{said:?}");
    assert_eq!(site.calls(), Vec::<String>::new());

    // a host that may not install is not asked either
    let place = Arc::new(Workplace::new().with_file().var("AC_HOST_WHITELIST", "*.atlassian.net"));
    install(&place, &site.tenant("elsewhere")).await;
    let said = run(&place, &["associate"]).await;
    assert!(said.stdout.contains("0 of 1 installed tenants associated; 1 unusable\n"), "{said:?}");
    assert_eq!((site.calls(), record(&place, "elsewhere").await), (Vec::new(), None));
}

#[actix_web::test]
async fn private_addresses_are_not_asked_in_production() {
    let place = Workplace::new()
        .with_file()
        .var("APP_ENV", "production")
        .var("AC_LOCAL_BASE_URL", "https://addon.example.com")
        .var("PORT", "3000")
        .var("AC_HOST_WHITELIST", "local*");
    let (place, site) = (Arc::new(place), Site::start("c"));
    let mut inside = site.tenant("inside");
    inside.base_url = inside.base_url.replace("127.0.0.1", "localhost");
    install(&place, &inside).await;
    let said = run(&place, &["associate"]).await;
    assert_eq!((said.code, site.calls()), (1, Vec::new()), "{said:?}");
    assert_eq!(result(&place, "inside").await, "unreachable");
}

#[actix_web::test]
async fn without_tenants_there_is_nothing_to_do() {
    let place = workplace();
    drop(place.store().await);
    let said = run(&place, &["associate"]).await;
    assert!(said.code == 0 && said.stdout.starts_with("no tenants: no site has installed the add-on in "), "{said:?}");
}
