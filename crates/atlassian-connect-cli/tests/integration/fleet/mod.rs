//! A whole fleet of customers in the last days of Connect: Connect tenants, Forge installations, and sites that answer,
//! do not answer, or lie.
//!
//! Two nodes take the calls of an hour, one of them is killed; then `tenants associate` asks the rest, and is killed as
//! well. In the end all is known that can be known, and nothing was wrong at any moment.

mod budget;
mod calls;
mod customers;
mod outcome;
mod site;
mod sorts;
mod truth;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atlassian_connect_actix::store::Store;
use atlassian_connect_testing::KeyServer;
use atlassian_connect_testing::internal::JwksServer;

use self::budget::{Pulse, Sent};
use self::calls::{Calls, Forge};
use self::customers::Fleet;
use self::outcome::Outcome;
use self::site::Kind;
use self::sorts::Size;
use self::truth::Truth;
use crate::command::Workplace;
use crate::process::Process;
use crate::support::{blocking, poll};

const APP_ID: &str = "6f0e5a4c-1111-4000-8000-000000000000";

/// Each sort of customers once.
#[actix_web::test]
async fn every_sort_of_customers_gets_its_tenant_or_none() {
    let place = Workplace::new().with_file();
    migrate(Size::Small, place).await;
}

#[actix_web::test]
#[ignore = "needs TEST_POSTGRES_URL and its database `fleet`, see .ci/run"]
async fn every_sort_of_customers_on_postgresql() {
    migrate(Size::Small, on_postgresql()).await;
}

#[actix_web::test]
#[ignore = "takes six minutes, since sites are asked slowly: `.ci/run all` runs it"]
async fn five_hundred_tenants_on_sqlite() {
    let place = Workplace::new().with_file();
    migrate(Size::Full, place).await;
}

#[actix_web::test]
#[ignore = "takes six minutes, and needs TEST_POSTGRES_URL and its database `fleet`: `.ci/run all` runs it"]
async fn five_hundred_tenants_on_postgresql() {
    migrate(Size::Full, on_postgresql()).await;
}

fn on_postgresql() -> Workplace {
    let server = std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL is not set: .ci/servers start prints it");
    let url = format!("{}/fleet", server.rsplit_once('/').unwrap().0);
    Workplace::new().var("DATABASE_URL", url)
}

/// Two nodes of the app.
struct Nodes {
    place: Arc<Workplace>,
    keys: KeyServer,
    vars: Vec<(String, String)>,
    nodes: [Process; 2],
}

impl Nodes {
    fn start(place: &Arc<Workplace>, keys: KeyServer, vars: Vec<(String, String)>) -> Self {
        let node = || start(place, keys.url(), &vars);
        let nodes = [node(), node()];
        Self { place: Arc::clone(place), keys, vars, nodes }
    }

    fn urls(&self) -> [String; 2] {
        [0, 1].map(|node: usize| self.nodes[node].base_url.clone())
    }

    fn kill_first(&mut self) {
        self.nodes[0].kill();
    }

    fn restart_first(&mut self) {
        self.nodes[0] = start(&self.place, self.keys.url(), &self.vars);
    }

    fn restart_both(&mut self) {
        for node in &mut self.nodes {
            node.stop();
            *node = start(&self.place, self.keys.url(), &self.vars);
        }
    }
}

fn log_file(place: &Workplace) -> PathBuf {
    place.path("log")
}

fn start(place: &Workplace, keys_url: &str, vars: &[(String, String)]) -> Process {
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Process::start_in(&place.path("."), "", keys_url, &log_file(place), &vars)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn migrate(size: Size, place: Workplace) {
    let (begun, pulse) = (Instant::now(), Pulse::start());
    let (forge, keys) =
        (Arc::new(Forge { keys: JwksServer::start(), isolated: JwksServer::start() }), KeyServer::start());
    forge.isolated.rotate();
    let isolated = forge.isolated.url().replace("/jwks.json", "/{icLabel}/jwks.json");
    let place = place
        .var("AC_APP_ID", APP_ID)
        .var("AC_HOST_WHITELIST", "127.0.0.1")
        .var("AC_FORGE_JWKS_URL", forge.keys.url())
        .var("AC_FORGE_ISOLATED_JWKS_URL", isolated)
        .var("AC_FORGE_ENVIRONMENTS", "PRODUCTION,DEVELOPMENT")
        .var("AC_AUTO_MIGRATE", "true");
    let vars = place.vars();
    let place =
        place.var("APP_ENV", "production").var("AC_LOCAL_BASE_URL", "https://addon.example.com").var("PORT", "3000");
    let (place, mut fleet) = (Arc::new(place), Fleet::of_size(size));
    fleet.serve();
    let (fleet, store) = (Arc::new(fleet), place.store().await);

    let of_start = Arc::clone(&place);
    let nodes = blocking(move || Nodes::start(&of_start, keys, vars)).await;
    let calls = Arc::new(Calls::new(Arc::clone(&fleet), Arc::clone(&forge)));
    for wave in 0..fleet.cases.iter().map(|case| case.tenants.len()).max().unwrap_or_default() {
        let (installing, urls) = (Arc::clone(&calls), nodes.urls());
        blocking(move || installing.install(wave, &urls)).await;
        calls.until_installed(wave, store.as_ref()).await;
    }
    outcome::prepare(store.as_ref(), &fleet).await;

    let truth = Arc::new(Truth::of(&fleet));
    let is_over = Arc::new(AtomicBool::new(false));
    let watching = actix_web::rt::spawn(watch(Arc::clone(&store), Arc::clone(&truth), Arc::clone(&is_over)));
    let (nodes, killed_at, sent) = hour(&calls, nodes, store.as_ref()).await;
    let outcome = Outcome { fleet: Arc::clone(&fleet), store: Arc::clone(&store), killed_at };
    let lost = outcome.assert_served().await;
    println!("{} questions were lost when the node was killed", lost.len());
    let nodes = if lost.is_empty() { nodes } else { next_day(&calls, nodes, &outcome, &lost).await };
    println!("the servers are done after {:?}", begun.elapsed());

    command_that_is_killed(&place, &fleet).await;
    let of_run = Arc::clone(&place);
    let patience = Duration::from_secs(600);
    let said = blocking(move || of_run.run_within(patience, &["tenants", "associate"])).await;
    assert_eq!(said.code, 1, "some tenants cannot be known: {said:?}");
    println!("the command is done after {:?}: {}", begun.elapsed(), said.stdout);
    let of_report = Arc::clone(&place);
    let report = blocking(move || of_report.run(&["tenants", "migration", "--json"])).await;
    assert_eq!((report.code, report.stderr.as_str()), (1, ""), "{report:?}");

    outcome.assert_reported(&report.json()).await;
    outcome.assert_known().await;
    outcome.assert_data(&std::fs::read_to_string(place.path("told")).unwrap()).await;
    let (asking, urls) = (Arc::clone(&calls), nodes.urls());
    blocking(move || asking.assert_answers(&urls)).await;
    is_over.store(true, Ordering::SeqCst);
    assert_eq!(watching.await.unwrap(), BTreeSet::new());
    budget::assert_kept(&fleet, &sent, &lost, pulse);
    println!("done after {:?}", begun.elapsed());
}

/// The calls of an hour and, after one node was killed and started again, those of the next.
async fn hour(calls: &Arc<Calls>, nodes: Nodes, store: &dyn Store) -> (Nodes, u64, Vec<Sent>) {
    let (early, urls) = (Arc::clone(calls), nodes.urls());
    blocking(move || early.send_early(&urls)).await;
    calls.until_early_are_known(store).await;

    let of_first = Arc::clone(calls);
    let (nodes, killed_at, sent) = blocking(move || {
        let (mut nodes, calls) = (nodes, of_first);
        let urls = nodes.urls();
        let questions: usize = calls.fleet().installations().map(|installation| installation.questions).sum();
        let mut sent = std::thread::scope(|scope| {
            let round = scope.spawn(|| calls.send_round(1, &urls));
            poll("a third of the sites are asked", Duration::from_secs(120), || {
                (calls.fleet().sites.count(Kind::Property) >= questions / 3).then_some(())
            });
            nodes.kill_first();
            round.join().unwrap()
        });
        let killed_at = unix_seconds();
        nodes.restart_first();
        let [first, second] = nodes.urls();
        sent.extend(calls.send_round(2, &[second, first]));
        (nodes, killed_at, sent)
    })
    .await;
    (nodes, killed_at, sent)
}

/// The next day, those are asked whose question was lost.
async fn next_day(calls: &Arc<Calls>, mut nodes: Nodes, outcome: &Outcome, lost: &[String]) -> Nodes {
    outcome.let_a_day_pass(lost).await;
    let (calls, of_day) = (Arc::clone(calls), lost.to_vec());
    let nodes = blocking(move || {
        // as if the nodes had forgotten whom they have looked at
        nodes.restart_both();
        calls.send_again(&nodes.urls(), &of_day);
        nodes
    })
    .await;
    assert_eq!(outcome.assert_served().await, [""; 0]);
    nodes
}

/// `tenants associate`, killed in the middle.
async fn command_that_is_killed(place: &Workplace, fleet: &Arc<Fleet>) {
    let mut child = place.start(&["tenants", "associate"]);
    let fleet = Arc::clone(fleet);
    blocking(move || {
        let wanted = fleet.sites_with_tenants() / 3;
        poll("a third of the sites are asked which one they are", Duration::from_secs(300), || {
            (fleet.sites.count(Kind::Info) >= wanted).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
    })
    .await;
}

/// Looks all the time whether somebody has got the tenant of another customer. Returns who.
async fn watch(store: Arc<dyn Store>, truth: Arc<Truth>, is_over: Arc<AtomicBool>) -> BTreeSet<String> {
    let (mut looks, mut wrong) = (0, BTreeSet::new());
    while !is_over.load(Ordering::SeqCst) {
        truth.check(store.as_ref(), &mut wrong).await;
        looks += 1;
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{looks} looks at all associations");
    wrong
}
