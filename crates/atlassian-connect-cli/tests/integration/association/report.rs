//! `tenants migration`, and what the other commands say about associations.

use atlassian_connect_actix::internal::association::{CHECKED, INSTALLATION, SEEN, SITE};
use serde_json::{Value, json};

use super::site::Site;
use super::{install, installation, now, run, workplace};
use crate::command::{Said, Workplace};
use crate::sql;
use crate::support::blocking;
use atlassian_connect_actix::store::Place;

const DAY: u64 = 24 * 60 * 60;

/// 2026-11-20 and 2026-11-25.
const EARLIER: u64 = 1_795_132_800;
const LATER: u64 = EARLIER + 5 * DAY;

fn ari(number: usize) -> String {
    format!("ari:cloud:ecosystem::installation/{number}")
}

/// A tenant of each kind, and Forge installations of each kind.
async fn several(place: &Workplace) {
    let store = place.store().await;
    for name in ["acme", "busy", "double-1", "double-2", "fresh", "moved", "named", "stale", "twin-1", "twin-2"] {
        let mut tenant = Site::start("c").stranger(name);
        let shared = name.split('-').next().unwrap();
        tenant.base_url = format!("https://{shared}.atlassian.net");
        if name == "named" {
            tenant.installation_id = Some(ari(9));
        }
        install(place, &tenant).await;
    }
    let mute = json!({ "clientKey": "mute", "baseUrl": "https://mute.atlassian.net", "productType": "confluence" });
    store.save_installation("mute", &mute, None).await.unwrap();
    let checked = |of: &str, result: &str, more: Value| {
        let mut record = json!({ "at": EARLIER, "result": result, "origin": format!("https://{of}.atlassian.net") });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    for (name, record) in [
        ("acme", checked("acme", "accepted", json!({ "cloudId": "c-1", "status": 200 }))),
        ("busy", checked("busy", "unreachable", json!({ "status": 503 }))),
        ("moved", checked("moved", "renamed", json!({ "movedTo": "https://new.atlassian.net" }))),
        ("stale", checked("stale", "stale", json!({ "status": 401 }))),
        ("twin-1", checked("twin", "ambiguous", json!({ "cloudId": "c-2" }))),
        ("twin-2", checked("twin", "ambiguous", json!({ "cloudId": "c-2" }))),
        ("fresh", json!("not a record")),
    ] {
        store.set(Place::of_tenant(name, CHECKED), &record).await.unwrap();
    }
    store.set(Place::of_tenant("acme", SEEN), &json!({ "at": LATER })).await.unwrap();
    let site = "ari:cloud:jira::site/c-1";
    store.associate(site, "acme").await.unwrap();
    let record = json!({ "clientKey": "acme", "by": "tenantInfo", "at": EARLIER, "isDone": true });
    store.set(Place::of_forge(site, SITE), &record).await.unwrap();
    store.associate(&ari(1), "acme").await.unwrap();
    let record = json!({ "clientKey": "acme", "by": "property", "sites": [site], "seen": LATER });
    store.set(Place::of_forge(&ari(1), INSTALLATION), &record).await.unwrap();
    for (number, answer) in
        ["none", "unknownTenant", "otherSite", "noSiteUrl", "refused", "unreachable"].into_iter().enumerate()
    {
        let record = json!({
            "answer": answer, "asked": EARLIER, "seen": LATER, "siteUrl": format!("https://{answer}.atlassian.net"),
            "sites": ["ari:cloud:jira::site/x"], "app": "6f0e5a4c", "environment": "PRODUCTION",
        });
        store.set(Place::of_forge(&ari(number + 2), INSTALLATION), &record).await.unwrap();
    }
    // of an earlier release, which wrote no records
    store.set(Place::of_forge(&ari(8), "appToken"), &json!("secret-token")).await.unwrap();
    // the framework's own
    store.set(Place::of_forge("atlassian-connect:jobs", "daily"), &json!(1)).await.unwrap();
}

#[actix_web::test]
async fn the_report_has_each_tenant_and_each_installation_without_one() {
    let place = workplace();
    several(&place).await;
    let said = run(&place, &["migration"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (1, ""), "{said:?}");
    let (table, summary) = said.stdout.split_once("\n2 of 11").unwrap();
    insta::assert_snapshot!(table, @r"
    CLIENT KEY  BASE URL                      STATUS                               BY                    CHECKED     CONNECT SEEN  FORGE SEEN
    acme        https://acme.atlassian.net    associated                           property, tenantInfo  2026-11-20  2026-11-25    2026-11-25
    busy        https://busy.atlassian.net    unreachable (503)                    -                     2026-11-20  -             -
    double-1    https://double.atlassian.net  ambiguous                            -                     -           -             -
    double-2    https://double.atlassian.net  ambiguous                            -                     -           -             -
    fresh       https://fresh.atlassian.net   unchecked                            -                     -           -             -
    moved       https://moved.atlassian.net   renamed (https://new.atlassian.net)  -                     2026-11-20  -             -
    mute        https://mute.atlassian.net    unusable                             -                     -           -             -
    named       https://named.atlassian.net   associated                           installed             -           -             -
    stale       https://stale.atlassian.net   stale (401)                          -                     2026-11-20  -             -
    twin-1      https://twin.atlassian.net    ambiguous                            -                     2026-11-20  -             -
    twin-2      https://twin.atlassian.net    ambiguous                            -                     2026-11-20  -             -

    FORGE INSTALLATION WITHOUT A TENANT  SITE                                 STATUS                                                 FORGE SEEN
    ari:cloud:ecosystem::installation/2  https://none.atlassian.net           on Forge alone                                         2026-11-25
    ari:cloud:ecosystem::installation/3  https://unknownTenant.atlassian.net  not known: it names a tenant that is not installed     2026-11-25
    ari:cloud:ecosystem::installation/4  https://otherSite.atlassian.net      not known: it names the tenant of another site         2026-11-25
    ari:cloud:ecosystem::installation/5  https://noSiteUrl.atlassian.net      not known: the URL of its site could not be found out  2026-11-25
    ari:cloud:ecosystem::installation/6  https://refused.atlassian.net        not known: the site refused the token                  2026-11-25
    ari:cloud:ecosystem::installation/7  https://unreachable.atlassian.net    not known: the site did not answer                     2026-11-25
    ari:cloud:ecosystem::installation/8  -                                    not known: not asked yet                               -
    ");
    assert!(
        summary.starts_with(
            " installed tenants associated; 1 unchecked, 1 unreachable, 1 renamed, 4 ambiguous, 1 unusable, 1 stale\n\
             9 Forge installations, 7 without a tenant: 1 on Forge alone, 6 not known\n"
        ),
        "{summary}"
    );
    assert!(summary.contains(" Connect end"), "{summary}");
}

#[actix_web::test]
async fn the_report_for_machines_has_the_documented_shape() {
    let place = workplace();
    several(&place).await;
    let said = run(&place, &["migration", "--json"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (1, ""), "{said:?}");
    let json = said.json();
    assert_eq!(json["endOfConnect"], "2027-01-31");
    let left = 1_801_353_600_u64.saturating_sub(now() / DAY * DAY) / DAY;
    assert!(json["daysLeft"].as_u64().unwrap().abs_diff(left) <= 1, "{json}");
    assert_eq!(
        json["summary"],
        json!({
            "tenants": 11, "open": 8, "associated": 2, "unchecked": 1, "unreachable": 1, "renamed": 1, "refused": 0,
            "ambiguous": 4, "unusable": 1, "stale": 1, "kept": 0, "forgeInstallations": 9, "forgeAlone": 1,
            "forgeUnknown": 6,
        })
    );
    assert_eq!(
        json["tenants"][0],
        json!({
            "clientKey": "acme", "baseUrl": "https://acme.atlassian.net", "product": "jira", "status": "associated",
            "isRefused": false, "by": ["property", "tenantInfo"], "installations": [ari(1)], "sites": ["ari:cloud:jira::site/c-1"],
            "kept": [], "checkedAt": EARLIER, "checkedStatus": 200, "cloudId": "c-1", "movedTo": null, "connectSeenAt": LATER,
            "forgeSeenAt": LATER,
        })
    );
    let without = json["withoutTenant"].as_array().unwrap();
    assert_eq!(
        without[0],
        json!({
            "installationId": ari(2), "isForgeAlone": true, "answer": "none", "askedAt": EARLIER,
            "siteUrl": "https://none.atlassian.net", "sites": ["ari:cloud:jira::site/x"], "app": "6f0e5a4c",
            "environment": "PRODUCTION", "forgeSeenAt": LATER,
        })
    );
    assert_eq!(
        (without.len(), &without[6]["installationId"], &without[6]["answer"]),
        (7, &json!(ari(8)), &Value::Null)
    );
    assert!(!said.stdout.contains("secret"), "no secret and no token: {}", said.stdout);
}

#[actix_web::test]
async fn more_tenants_than_a_page_of_the_store_are_counted() {
    let place = workplace();
    drop(place.store().await);
    let rows = |table: &str, columns: &str, values: &str| {
        format!(
            "INSERT INTO \"{table}\" ({columns}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \
             4500) SELECT {values} FROM n;"
        )
    };
    let installation = r#"'{"clientKey": "t-' || i || '", "sharedSecret": "0123456789abcdef", "baseUrl": "https://t-' || i || '.atlassian.net"}'"#;
    let record = r#"'{"sites": ["ari:cloud:jira::site/' || i || '"], "answer": "none"}'"#;
    let tenant_rows =
        rows("AddonSettings", r#""clientKey", "key", "val""#, &format!("'t-' || i, 'clientInfo', {installation}"));
    let forge_rows =
        rows("ForgeSettings", r#""installationId", "key", "val""#, &format!("'i-' || i, '{INSTALLATION}', {record}"));
    let owners = rows("InstallationClientKeys", r#""installationId", "clientKey""#, "'i-' || i, 't-' || (i * 2)");
    sql(&place, &[tenant_rows, forge_rows, owners].concat());
    let said = run(&place, &["migration", "--json"]).await;
    let summary = &said.json()["summary"];
    // every second tenant has an installation; the other installations name tenants that there are not
    assert_eq!(
        (&summary["tenants"], &summary["associated"], &summary["unchecked"], &summary["forgeAlone"]),
        (&json!(4500), &json!(2250), &json!(2250), &json!(2250)),
        "{summary}"
    );
}

#[actix_web::test]
async fn nothing_is_left_to_do_when_all_are_associated() {
    let place = workplace();
    let store = place.store().await;
    let said = run(&place, &["migration"]).await;
    assert!(said.code == 0 && said.stdout.starts_with("0 of 0 installed tenants associated\n"), "{said:?}");
    let site = Site::start("c");
    install(&place, &site.tenant("acme")).await;
    store.associate(&ari(1), "acme").await.unwrap();
    installation(&place, &ari(1), &["ari:cloud:jira::site/c"]).await;
    let said = run(&place, &["migration"]).await;
    assert!(said.code == 0 && !said.stdout.contains("->"), "{said:?}");
    // an uninstall ends the association
    store.uninstall("acme").await.unwrap();
    let said = run(&place, &["migration", "--json"]).await.json();
    assert_eq!((&said["summary"]["tenants"], &said["withoutTenant"][0]["installationId"]), (&json!(0), &json!(ari(1))));
}

#[actix_web::test]
async fn one_tenant_is_shown_with_its_association_and_without_the_frameworks_keys() {
    let place = workplace();
    several(&place).await;
    place.store().await.set(Place::of_tenant("acme", "greeting"), &json!("hello")).await.unwrap();
    let said = run(&place, &["show", "acme"]).await;
    let shown: Vec<&str> = said.stdout.lines().skip_while(|line| !line.starts_with("further keys")).collect();
    assert_eq!(
        shown,
        [
            "further keys          greeting",
            "association           associated (property, tenantInfo)",
            "associated with       ari:cloud:ecosystem::installation/1, ari:cloud:jira::site/c-1",
            "site last asked       2026-11-20",
            "seen through Connect  2026-11-25",
            "seen through Forge    2026-11-25",
        ],
        "{said:?}"
    );
    let json = run(&place, &["show", "busy", "--json"]).await.json();
    assert_eq!(json["furtherKeys"], json!([]));
    assert_eq!(
        json["forge"],
        json!({
            "status": "unreachable", "isRefused": false, "by": [], "ids": [], "checkedAt": EARLIER,
            "connectSeenAt": null, "forgeSeenAt": null,
        })
    );
    place.store().await.uninstall("busy").await.unwrap();
    assert_eq!(run(&place, &["show", "busy", "--json"]).await.json()["forge"], Value::Null);
    let asked = run(&place, &["remove", "busy"]).await;
    assert!(asked.stderr.contains("its installation (uninstalled). The secret is lost"), "{asked:?}");
}

async fn doctor(place: &std::sync::Arc<Workplace>) -> Said {
    let place = std::sync::Arc::clone(place);
    blocking(move || place.run(&["doctor", "--json"])).await
}

fn of_association(said: &Said) -> Option<Value> {
    let findings = said.json()["findings"].as_array().unwrap().clone();
    findings.into_iter().find(|finding| finding["check"] == "association")
}

#[actix_web::test]
async fn doctor_counts_the_tenants_that_are_not_associated() {
    let nowhere = "http://127.0.0.1:9";
    let place = || Workplace::new().with_file().var("PORT", "0").var("CONNECT_KEYS_CDN_URL", nowhere);
    let of_connect = std::sync::Arc::new(place());
    several(&of_connect).await;
    assert_eq!(of_association(&doctor(&of_connect).await), None, "an app on Connect alone");

    let place = std::sync::Arc::new(place().var("AC_APP_ID", "6f0e5a4c").var("AC_FORGE_JWKS_URL", nowhere));
    drop(place.store().await);
    assert_eq!(of_association(&doctor(&place).await), None, "no tenants");
    several(&place).await;
    let finding = of_association(&doctor(&place).await).unwrap();
    assert_eq!(finding["level"], "warning");
    let message = finding["message"].as_str().unwrap();
    assert!(
        message.starts_with("8 of 11 tenants are not associated with a Forge installation or its site; ")
            && message.contains("2027-01-31"),
        "{message}"
    );
    assert!(finding["remedy"].as_str().unwrap().contains("`tenants associate`"), "{finding}");
    let store = place.store().await;
    for tenant in store.tenants(None, 100).await.unwrap().tenants {
        store.associate(&format!("of {}", tenant.0), &tenant.0).await.unwrap();
        store.set(Place::of_forge(&format!("of {}", tenant.0), "appToken"), &json!(1)).await.unwrap();
        store.delete(Place::of_tenant(&tenant.0, CHECKED)).await.unwrap();
    }
    assert_eq!(of_association(&doctor(&place).await).unwrap()["level"], "ok");
}

#[actix_web::test]
async fn an_installation_that_was_asked_after_the_end_of_connect_is_not_known_to_be_on_forge_alone() {
    let place = workplace();
    let store = place.store().await;
    // 2027-01-31 and the second before it
    for (number, asked) in [(1, 1_801_353_600_u64), (2, 1_801_353_599)] {
        let record = json!({ "answer": "none", "asked": asked, "seen": asked });
        store.set(Place::of_forge(&ari(number), INSTALLATION), &record).await.unwrap();
    }
    let json = run(&place, &["migration", "--json"]).await.json();
    let summary = &json["summary"];
    assert_eq!((&summary["forgeAlone"], &summary["forgeUnknown"]), (&json!(1), &json!(1)), "{json}");
    let [late, early] = [0, 1].map(|row| &json["withoutTenant"][row]);
    assert_eq!((&late["isForgeAlone"], &late["answer"]), (&json!(false), &json!("none")), "{json}");
    assert_eq!((&early["isForgeAlone"], &early["answer"]), (&json!(true), &json!("none")), "{json}");
    let said = run(&place, &["migration"]).await;
    assert!(said.stdout.contains(" not known: it was asked after the end of Connect "), "{said:?}");
}
