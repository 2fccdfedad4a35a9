//! Each sort of customers, and what is to become of them.

use atlassian_connect_testing::TestTenant;
use serde_json::json;

use super::customers::{First, Fleet, Installation, Installed, associated, names, no_property, with_status};
use super::site::Answer;

/// How many customers the fleet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Each sort once.
    Small,
    /// 500 Connect tenants.
    Full,
}

/// How many customers of a sort the full fleet has, and how one of them is added.
type Sort = (usize, fn(&mut Fleet));

impl Fleet {
    pub(super) fn of_size(size: Size) -> Self {
        let mut fleet = Self::default();
        let sorts: [Sort; 31] = [
            (40, Self::named_by_the_install),
            (70, |fleet| fleet.named_by_the_property("jira", true)),
            (20, |fleet| fleet.named_by_the_property("jira", false)),
            (30, |fleet| fleet.named_by_the_property("confluence", true)),
            (10, |fleet| fleet.named_by_the_property("confluence", false)),
            (15, Self::installed_again_with_a_token),
            (15, Self::installed_again_without_a_token),
            (15, Self::renamed),
            (6, Self::renamed_without_notice),
            (10, |fleet| fleet.imported_over(true)),
            (5, |fleet| fleet.imported_over(false)),
            (10, Self::two_products_with_the_app_on_jira),
            (8, Self::two_products_with_the_app_on_confluence),
            (4, Self::two_products_with_two_apps),
            (10, Self::in_an_isolated_cloud),
            (5, Self::silent),
            (2, Self::wrong_answers_to_the_property),
            (2, Self::wrong_answers_to_the_command),
            (2, Self::wrong_in_all),
            (3, Self::taken_over_by_one_on_forge_alone),
            (3, Self::taken_over_by_one_without_a_token),
            (3, Self::taken_over_by_a_tenant),
            (4, Self::hostile),
            (5, Self::cloned),
            (30, Self::on_forge_alone),
            (40, Self::without_a_token),
            (5, Self::development_beside_production),
            (1, Self::bitbucket),
            (4, Self::ambiguous),
            (4, Self::a_visitor_came_first),
            (2, Self::uninstalled),
        ];
        for (count, add) in sorts {
            for _ in 0..if size == Size::Small { 1 } else { count } {
                add(&mut fleet);
            }
        }
        let tenants = |fleet: &Self| fleet.cases.iter().map(|case| case.tenants.len()).sum::<usize>();
        let without_forge = if size == Size::Small { 1 } else { 500usize.saturating_sub(tenants(&fleet)) };
        for _ in 0..without_forge {
            fleet.on_connect_alone();
        }
        fleet
    }

    fn named_by_the_install(&mut self) {
        let site = self.site();
        let mut tenant = self.tenant(site);
        let mut installation = self.naming(site, "jira", &tenant).becomes(&tenant);
        installation.questions = 0;
        tenant.installation_id = Some(installation.id.clone());
        self.add("named by the install", vec![associated(tenant)], vec![installation]);
    }

    fn named_by_the_property(&mut self, product: &'static str, has_site_url: bool) {
        let site = self.site();
        let tenant = self.tenant_of(site, product);
        let mut installation = self.naming(site, product, &tenant).becomes(&tenant);
        if !has_site_url {
            installation = installation.without_site_url();
        }
        self.add("named by the property", vec![associated(tenant)], vec![installation]);
    }

    fn installed_again_with_a_token(&mut self) {
        let site = self.site();
        let mut tenant = self.tenant(site);
        tenant.installation_id = Some(format!("ari:cloud:ecosystem::installation/old-{}", self.next()));
        let again = self.naming(site, "jira", &tenant).becomes(&tenant);
        self.add("installed again, with a token", vec![associated(tenant)], vec![again]);
    }

    fn installed_again_without_a_token(&mut self) {
        let site = self.site();
        let mut tenant = self.tenant(site);
        let mut before = self.installation(site, "jira").becomes(&tenant);
        before.first = First::ItsCall;
        tenant.installation_id = Some(before.id.clone());
        let again = self.installation(site, "jira").becomes(&tenant);
        self.add("installed again, without a token", vec![associated(tenant)], vec![before, again]);
    }

    /// A site that has moved: its old address redirects everything.
    fn moved_site(&mut self) -> (usize, usize, String) {
        let (old, new) = (self.site(), self.site());
        let url = self.of(new).url;
        self.sites.change(old, |site| {
            site.info = Some(Answer::Redirect(format!("{url}/_edge/tenant_info")));
            site.proof = Some(Answer::Redirect(format!("{url}/rest")));
        });
        (old, new, url)
    }

    fn renamed(&mut self) {
        let (old, new, url) = self.moved_site();
        let mut tenant = self.tenant(old);
        tenant.display_url = Some(url.clone());
        let installation = self.naming(new, "jira", &tenant).becomes(&tenant);
        let tenant = Installed { moved_to: Some(url), ..associated(tenant) };
        self.add("renamed", vec![tenant], vec![installation]);
    }

    fn renamed_without_notice(&mut self) {
        let (old, new, url) = self.moved_site();
        let tenant = self.tenant(old);
        let installation = self.naming(new, "jira", &tenant).hears("otherSite");
        let tenant = Installed { moved_to: Some(url), ..with_status(tenant, "renamed") };
        self.add("renamed without notice", vec![tenant], vec![installation]);
    }

    fn imported_over(&mut self, has_token: bool) {
        let site = self.site();
        let (mut before, after) = (self.former_tenant(site), self.tenant(site));
        let mut installation = self.installation(site, "jira").ends_with(&after);
        before.installation_id = Some(installation.id.clone());
        installation.own.push(before.client_key.clone());
        installation.served = Some(if has_token { &after } else { &before }.client_key.clone());
        // the former tenant may have got it meanwhile
        installation.has_data = false;
        if has_token {
            self.give_token(&mut installation, names(&after));
            installation.questions = 1;
        }
        self.add("imported over", vec![with_status(before, "stale"), associated(after)], vec![installation]);
    }

    /// An installation on Jira and Confluence of a site, whose products answer this.
    fn on_two_products(&mut self, site: usize, jira: Answer, confluence: Answer) -> Installation {
        let mut installation = self.asking(site, "jira", jira);
        let token = installation.token.clone().unwrap();
        let (url, cloud_id) = (self.of(site).url, self.of(site).cloud_id);
        let context = |product: &str| json!({ "name": product, "cloudId": cloud_id, "apiBaseUrl": format!("{url}/ex/{product}/{cloud_id}") });
        installation.keys.push(format!("ari:cloud:confluence::site/{cloud_id}"));
        self.sites.change(site, |site| drop(site.properties.insert((token, "confluence".to_owned()), confluence)));
        installation.claim("/app/installation/contexts", json!([context("confluence"), context("jira")]))
    }

    fn two_products_with_the_app_on_jira(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        let installation = self.on_two_products(site, names(&tenant), no_property()).becomes(&tenant);
        self.add("two products, the app on Jira", vec![associated(tenant)], vec![installation]);
    }

    /// One product is asked in a day, so that the servers alone would need two.
    fn two_products_with_the_app_on_confluence(&mut self) {
        let site = self.site();
        let tenant = self.tenant_of(site, "confluence");
        let mut installation = self.on_two_products(site, no_property(), names(&tenant)).ends_with(&tenant);
        installation.questions = 1;
        self.add("two products, the app on Confluence", vec![associated(tenant)], vec![installation]);
    }

    fn two_products_with_two_apps(&mut self) {
        let site = self.site();
        let (jira, confluence) = (self.tenant(site), self.tenant_of(site, "confluence"));
        let mut installation = self.on_two_products(site, names(&jira), names(&confluence)).becomes(&jira);
        installation.own.push(confluence.client_key.clone());
        let tenants = vec![associated(jira), associated(confluence)];
        self.add("two products, two apps", tenants, vec![installation]);
    }

    fn in_an_isolated_cloud(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        let mut installation = self.naming(site, "jira", &tenant).becomes(&tenant).claim("/icLabel", "ic-1");
        installation.is_isolated = true;
        self.add("in an Isolated Cloud", vec![associated(tenant)], vec![installation]);
    }

    fn silent(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        self.sites.change(site, |site| (site.info, site.proof) = (Some(Answer::Silence), Some(Answer::Silence)));
        let installation = self.asking(site, "jira", Answer::Silence).hears("unreachable");
        self.add("silent", vec![with_status(tenant, "unreachable")], vec![installation]);
    }

    fn wrong_answers_to_the_property(&mut self) {
        let elsewhere = self.of(0).url;
        for (answer, heard) in [
            (Answer::Json(500, json!({})), "unreachable"),
            (Answer::Text(200, "<p>hello"), "unreachable"),
            (Answer::Json(200, json!({ "value": ["tenant-1"] })), "unreachable"),
            (Answer::Huge(json!({})), "unreachable"),
            (Answer::Redirect(format!("{elsewhere}/rest/elsewhere")), "unreachable"),
            (no_property(), "none"),
            (Answer::Json(401, json!({})), "refused"),
            (Answer::Json(403, json!({})), "refused"),
        ] {
            let site = self.site();
            let tenant = self.tenant(site);
            let answer = match answer {
                Answer::Huge(_) => Answer::Huge(json!({ "value": tenant.client_key })),
                other => other,
            };
            let installation = self.asking(site, "jira", answer).hears(heard).ends_with(&tenant);
            self.add("a wrong answer to the property", vec![associated(tenant)], vec![installation]);
        }
    }

    fn wrong_answers_to_the_command(&mut self) {
        for answer in [
            Answer::Json(500, json!({})),
            Answer::Text(200, "<p>hello"),
            Answer::Json(200, json!({ "cloudId": ["cloud-1"] })),
            Answer::Huge(json!({ "cloudId": "cloud-1" })),
            Answer::Json(404, json!({})),
        ] {
            let site = self.site();
            let tenant = self.tenant(site);
            self.sites.change(site, |site| site.info = Some(answer));
            let installation = self.naming(site, "jira", &tenant).becomes(&tenant);
            self.add("a wrong answer to the command", vec![associated(tenant)], vec![installation]);
        }
    }

    fn wrong_in_all(&mut self) {
        for (answer, heard, status) in [
            (Answer::Json(500, json!({})), "unreachable", "unreachable"),
            (Answer::Json(403, json!({})), "refused", "stale"),
        ] {
            let site = self.site();
            let tenant = self.tenant(site);
            self.sites.change(site, |site| (site.info, site.proof) = (Some(answer.clone()), Some(answer.clone())));
            let installation = self.asking(site, "jira", answer).hears(heard);
            self.add("wrong in all", vec![with_status(tenant, status)], vec![installation]);
        }
    }

    /// A tenant that is gone, and whose address is another customer's now.
    fn taken_over(&mut self) -> (usize, Installed, String) {
        let site = self.site();
        let mut gone = self.former_tenant(site);
        // its own installation, on its own site, does not call any more
        let before = format!("ari:cloud:ecosystem::installation/gone-{}", self.next());
        gone.installation_id = Some(before.clone());
        (site, with_status(gone, "stale"), before)
    }

    fn taken_over_by_one_on_forge_alone(&mut self) {
        let (site, gone, _) = self.taken_over();
        let installation = self.asking(site, "jira", no_property()).hears("none");
        self.add("taken over by one on Forge alone", vec![gone], vec![installation]);
    }

    fn taken_over_by_one_without_a_token(&mut self) {
        let (site, gone, _) = self.taken_over();
        let installation = self.installation(site, "jira");
        self.add("taken over by one without a token", vec![gone], vec![installation]);
    }

    fn taken_over_by_a_tenant(&mut self) {
        let (site, gone, _) = self.taken_over();
        let tenant = self.tenant(site);
        let installation = self.naming(site, "jira", &tenant).becomes(&tenant);
        self.add("taken over by a tenant", vec![gone, associated(tenant)], vec![installation]);
    }

    /// A tenant of another customer, who is there.
    fn victim(&self) -> TestTenant {
        let named = |sort: &str| sort == "named by the property";
        let case = self.cases.iter().find(|case| named(case.sort)).unwrap();
        case.tenants[0].tenant.clone()
    }

    fn hostile(&mut self) {
        let victim = self.victim();
        let site = self.site();
        let hostile = self.naming(site, "jira", &victim).hears("otherSite");
        self.add("hostile", vec![], vec![hostile]);
        let site = self.site();
        let hostile = self.naming(site, "jira", &victim).hears("otherSite").without_site_url();
        self.add("hostile", vec![], vec![hostile]);
        let site = self.site();
        let own = self.tenant(site);
        let hostile = self.naming(site, "jira", &victim).hears("otherSite").ends_with(&own);
        self.add("hostile", vec![associated(own)], vec![hostile]);
    }

    fn cloned(&mut self) {
        let (site, clone) = (self.site(), self.site());
        let tenant = self.tenant(site);
        let original = self.naming(site, "jira", &tenant).becomes(&tenant);
        let clone = self.naming(clone, "jira", &tenant).hears("otherSite");
        self.add("cloned", vec![associated(tenant)], vec![original, clone]);
    }

    fn on_forge_alone(&mut self) {
        let site = self.site();
        let installation = self.asking(site, "jira", no_property()).hears("none");
        self.add("on Forge alone", vec![], vec![installation]);
    }

    fn on_connect_alone(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        self.add("on Connect alone", vec![associated(tenant)], vec![]);
    }

    fn without_a_token(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        let installation = self.installation(site, "jira").ends_with(&tenant);
        self.add("without a token", vec![associated(tenant)], vec![installation]);
    }

    /// The site answers the token of development as that of production.
    fn development_beside_production(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        let production = self.naming(site, "jira", &tenant).becomes(&tenant);
        let number = self.next();
        let environment =
            json!({ "type": "DEVELOPMENT", "id": format!("ari:cloud:ecosystem::environment/dev-{number}") });
        let mut development = self.naming(site, "jira", &tenant).claim("/app/environment", environment);
        development.keys = development.keys.iter().map(|key| format!("{key}/environment/dev-{number}")).collect();
        self.add("development beside production", vec![associated(tenant)], vec![production, development]);
    }

    /// All workspaces have one address.
    fn bitbucket(&mut self) {
        let site = self.site();
        let mut tenants = Vec::new();
        let mut installations = Vec::new();
        for _ in 0..4 {
            let mut tenant = self.tenant_of(site, "bitbucket");
            let workspace = format!("workspace-{}", self.next());
            tenant.client_key = format!("ari:cloud:bitbucket::app/{{{workspace}}}/fixture-app");
            let url = self.of(site).url;
            let api = format!("{url}/2.0");
            let contexts = json!([{ "name": "bitbucket", "workspaceId": workspace, "apiBaseUrl": api }]);
            let mut installation = self
                .installation(site, "bitbucket")
                .claim("/app/apiBaseUrl", api)
                .claim("/app/installation/contexts", contexts)
                .claim("/context", json!({ "workspaceId": workspace, "siteUrl": url }));
            installation.keys = vec![format!("ari:cloud:bitbucket::workspace/{workspace}")];
            tenants.push(tenant);
            installations.push(installation);
        }
        let [named, _, alone, victim] = tenants.as_mut_slice() else { unreachable!() };
        named.installation_id = Some(installations[0].id.clone());
        victim.installation_id = Some(installations[3].id.clone());
        let (alone, victim) = (alone.clone(), victim.clone());
        self.give_token(&mut installations[0], names(&tenants[0]));
        self.give_token(&mut installations[1], names(&tenants[1]));
        // this one names the tenant of another workspace
        self.give_token(&mut installations[2], names(&victim));
        let mut installations = installations.into_iter();
        let mut next = || installations.next().unwrap();
        let mut by_install = next().becomes(&tenants[0]);
        by_install.questions = 0;
        let by_property = next().becomes(&tenants[1]);
        let hostile = next().hears("otherSite");
        let by_install_without_token = next().becomes(&victim);
        let of = |tenant: &TestTenant| if tenant.client_key == alone.client_key { "unchecked" } else { "associated" };
        let installed = tenants.iter().map(|tenant| with_status(tenant.clone(), of(tenant))).collect();
        self.add("Bitbucket", installed, vec![by_install, by_property, hostile, by_install_without_token]);
    }

    fn ambiguous(&mut self) {
        let site = self.site();
        let (one, other) = (self.tenant(site), self.tenant(site));
        let mut installation = self.installation(site, "jira");
        installation.own = vec![one.client_key.clone(), other.client_key.clone()];
        let tenants = vec![with_status(one, "ambiguous"), with_status(other, "ambiguous")];
        self.add("ambiguous", tenants, vec![installation]);
    }

    fn a_visitor_came_first(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        let mut installation = self.naming(site, "jira", &tenant).becomes(&tenant);
        installation.first = First::AVisitor;
        self.add("a visitor came first", vec![associated(tenant)], vec![installation]);
    }

    fn uninstalled(&mut self) {
        let site = self.site();
        let tenant = self.tenant(site);
        let installation = self.naming(site, "jira", &tenant).hears("unknownTenant");
        let tenant = Installed { is_gone: true, ..with_status(tenant, "") };
        self.add("uninstalled", vec![tenant], vec![installation]);
    }
}
