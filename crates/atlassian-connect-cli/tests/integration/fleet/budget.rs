//! What the sites had to bear, and how long Forge waited.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::customers::{First, Fleet, Installation};
use super::site::{Kind, Request};

/// An invocation.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) took: Duration,
    pub(super) was_answered: bool,
}

/// How long Forge waits for the answer to a schedule.
const FORGE_WAITS: Duration = Duration::from_secs(5);
/// By how much one request may be later than the next on a machine with nothing else to do: between its turn and its
/// arrival it waits for the database, to which several nodes write. Too many a second show in ten seconds all the same.
const JITTER: Duration = Duration::from_millis(400);
/// How often the pulse beats.
const BEAT: Duration = Duration::from_millis(20);

/// Beats beside the test, and so knows how busy the machine is: what is late here is late at the sites as well.
pub(super) struct Pulse {
    is_over: Arc<AtomicBool>,
    beats: JoinHandle<Duration>,
}

impl Pulse {
    pub(super) fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let of_thread = Arc::clone(&is_over);
        let beats = std::thread::spawn(move || {
            let mut latest = Duration::ZERO;
            while !of_thread.load(Ordering::SeqCst) {
                let begun = Instant::now();
                std::thread::sleep(BEAT);
                latest = latest.max(begun.elapsed().saturating_sub(BEAT));
            }
            latest
        });
        Self { is_over, beats }
    }

    /// How late the latest beat was.
    fn stop(self) -> Duration {
        self.is_over.store(true, Ordering::SeqCst);
        self.beats.join().unwrap()
    }
}

/// Asserts that nobody was asked too much. `lost`: the installations that were asked on the next day again, since a node
/// was killed that had asked them.
pub(super) fn assert_kept(fleet: &Fleet, sent: &[Sent], lost: &[String], pulse: Pulse) {
    assert_eq!(fleet.sites.problems(), [""; 0]);
    let requests = fleet.sites.requests();
    assert_questions(fleet, &requests, lost);
    let times = |kind| {
        let mut times: Vec<Instant> =
            requests.iter().filter(|request| request.kind == kind).map(|request| request.at).collect();
        times.sort_unstable();
        times
    };
    let delay = JITTER + 2 * pulse.stop();
    println!("requests may arrive {delay:?} late");
    for (kind, a_second) in [(Kind::Property, 5), (Kind::Info, 2)] {
        let times = times(kind);
        for seconds in [1, 10] {
            let most = most_within(&times, Duration::from_secs(seconds).saturating_sub(delay));
            assert!(most <= a_second * usize::try_from(seconds).unwrap(), "{kind:?}: {most} in {seconds} s");
        }
    }
    let mut answered: Vec<Duration> = sent.iter().filter(|sent| sent.was_answered).map(|sent| sent.took).collect();
    answered.sort_unstable();
    let (median, slowest) = (answered[answered.len() / 2], answered[answered.len() - 1]);
    println!(
        "{} calls, {} of them answered, half of them within {median:?}, all within {slowest:?}; {} requests to sites",
        sent.len(),
        answered.len(),
        requests.len()
    );
    assert!(slowest < FORGE_WAITS, "an answer took {slowest:?}");
    assert!(median < Duration::from_millis(500), "half of the answers took {median:?} or longer");
}

/// At most one question a day, and none that is not needed.
fn assert_questions(fleet: &Fleet, requests: &[Request], lost: &[String]) {
    let mut counts: HashMap<(usize, Kind, &str), usize> = HashMap::new();
    for request in requests {
        *counts.entry((request.site, request.kind, request.by.as_str())).or_default() += 1;
    }
    for installation in fleet.installations() {
        let Installation { id, site, token, questions, url_questions, .. } = installation;
        let asked = |kind| counts.get(&(*site, kind, token.as_deref().unwrap_or("-"))).copied().unwrap_or_default();
        let (properties, urls) = (asked(Kind::Property), asked(Kind::SiteUrl));
        let most = questions + usize::from(lost.contains(id));
        assert!((*questions..=most).contains(&properties), "{id} was asked {properties} times for its clientKey");
        // the node that was killed may have known the clientKey, but not yet the URL
        assert!(urls <= 2 * url_questions, "{id} was asked {urls} times for its URL");
    }
    let visitors = fleet.installations().filter(|installation| installation.first == First::AVisitor).count();
    let made_up = requests.iter().filter(|request| request.by == "made-up").count();
    assert!(made_up <= visitors, "{made_up} questions with a visitor's token");
    let infos = requests.iter().filter(|request| request.kind == Kind::Info);
    let mut of_site: HashMap<usize, usize> = HashMap::new();
    infos.for_each(|request| *of_site.entry(request.site).or_default() += 1);
    let is_usual = |site: usize| fleet.of(site).info.is_none();
    let again: usize = of_site.iter().filter(|(site, _)| is_usual(**site)).map(|(_, count)| count - 1).sum();
    assert!(again <= 3, "the command asked {again} sites twice, of which it was told");
    assert!(of_site.values().all(|count| *count <= 2), "a site was asked more than once by each run");
}

/// The most of these within any span of time.
fn most_within(times: &[Instant], span: Duration) -> usize {
    let mut first = 0;
    let counts = times.iter().enumerate().map(|(last, at)| {
        while at.duration_since(times[first]) > span {
            first += 1;
        }
        last + 1 - first
    });
    counts.max().unwrap_or_default()
}
