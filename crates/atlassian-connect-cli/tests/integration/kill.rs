//! SIGKILL during installs: every install that was answered with 204 must be there after the restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atlassian_connect_testing::{KeyServer, TestTenant, claims_for};

use crate::process::Process;
use crate::support::rng::Rng;
use crate::support::wire::Connection;
use crate::support::{blocking, poll};

const SEED: u64 = 20_261_122;
const KILLS: usize = 20;
/// Concurrently installing hosts.
const WRITERS: usize = 4;
/// The key in the descriptor; the process reads the same file.
const ADDON_KEY: &str = "com.example.fixture-app";

/// A tenant from its host's point of view.
struct Site {
    tenant: TestTenant,
    /// How many of its installs were answered with 204.
    answered: usize,
    /// The secret of the last of them.
    secret: Option<String>,
    /// The secret of an install that was in progress when the server was killed. It may or may not be stored.
    pending: Option<String>,
}

#[actix_web::test]
async fn an_install_that_was_answered_survives_a_kill() {
    let keys = KeyServer::start();
    let keys_url = keys.url().to_owned();
    blocking(move || kill_and_check(&keys_url)).await;
}

fn kill_and_check(keys_url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    let log = folder.path().join("log");
    let start = || Process::start(keys_url, &log, &[("DATABASE_URL", &url)]);

    let mut rng = Rng::of(SEED, "kill");
    let mut sites = Vec::new();
    let mut process = start();
    for kill in 0..KILLS {
        let touched = install_until_killed(&mut process, kill, &mut rng);
        process = start();
        sites.extend(touched.into_iter().map(|site| check(&process, site)));
    }
    // a later kill must not lose what an earlier one kept
    let sites: Vec<Site> = sites.into_iter().map(|site| check(&process, site)).collect();

    let installs: usize = sites.iter().map(|site| site.answered).sum();
    let answered = sites.iter().filter(|site| site.answered > 0).count();
    let opened = sites.iter().filter(|site| site.answered > 0 && site.secret.is_some()).count();
    let in_flight = sites.iter().filter(|site| site.pending.is_some()).count();
    println!(
        "{KILLS} kills, {in_flight} installs in flight; {installs} installs of {answered} sites answered 204, \
         {opened} of these sites open their page"
    );
    assert!(answered >= 10 * KILLS && installs > answered, "too few installs: {installs} of {answered} sites");
    assert!(in_flight >= KILLS, "the kills came between the installs: {in_flight} in flight");
    let log = || std::fs::read_to_string(&log).unwrap();
    assert_eq!(opened, answered, "answered installs are lost:\n{}", log());
}

/// Sends installs (new sites and rotated secrets), and kills the server at a moment that `rng` chooses.
fn install_until_killed(process: &mut Process, kill: usize, rng: &mut Rng) -> Vec<Site> {
    let answered = AtomicUsize::new(0);
    let base_url = process.base_url.clone();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (base_url, answered) = (&base_url, &answered);
                let rng = Rng::of(SEED, &format!("{kill} {writer}"));
                scope.spawn(move || write(base_url, rng, answered))
            })
            .collect();
        let wanted = 1 + rng.below(60);
        poll("installs are answered", Duration::from_secs(30), || {
            (answered.load(Ordering::Relaxed) >= wanted).then_some(())
        });
        // a random delay into the running installs, not a wait for a condition
        std::thread::sleep(Duration::from_micros(u64::try_from(rng.below(20_000)).unwrap()));
        process.kill();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

/// Installs one after the other until the server is gone.
fn write(base_url: &str, mut rng: Rng, answered: &AtomicUsize) -> Vec<Site> {
    let mut connection = Connection::to(base_url);
    let mut sites: Vec<Site> = Vec::new();
    loop {
        if sites.is_empty() || rng.chance(60) {
            sites.push(Site { tenant: TestTenant::new(), answered: 0, secret: None, pending: None });
        }
        let at = rng.below(sites.len().min(5)) + sites.len().saturating_sub(5);
        let site = &mut sites[at];
        site.tenant.shared_secret = format!("secret-{}-{}", site.tenant.client_key, rng.next());
        site.pending = Some(site.tenant.shared_secret.clone());
        let Some(answer) = connection.send(&install(base_url, &site.tenant)) else { return sites };
        assert_eq!(answer.status, 204, "{}", answer.text());
        site.answered += 1;
        site.secret = site.pending.take();
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

fn install(base_url: &str, tenant: &TestTenant) -> Vec<u8> {
    let token = KeyServer::sign(&claims_for(tenant, base_url, "/installed"));
    let body = tenant.payload(ADDON_KEY, "installed").to_string();
    format!(
        "POST /installed HTTP/1.1\r\nHost: addon\r\nAuthorization: JWT {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Keeps the secret that opens the site's page, or none.
fn check(process: &Process, mut site: Site) -> Site {
    let mut connection = Connection::to(&process.base_url);
    let mut opens = |secret: &String| {
        let tenant = &mut site.tenant;
        tenant.shared_secret.clone_from(secret);
        let token = tenant.token("GET", "/hello-world", "");
        let request = format!("GET /hello-world?jwt={token} HTTP/1.1\r\nHost: addon\r\n\r\n");
        connection.send(request.as_bytes()).is_some_and(|answer| answer.status == 200)
    };
    let known = [site.secret.take(), site.pending.clone()];
    site.secret = known.into_iter().flatten().find(|secret| opens(secret));
    site
}
