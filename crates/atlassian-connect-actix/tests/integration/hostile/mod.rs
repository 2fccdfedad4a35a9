//! Hostile requests: at least 200 for each guarded route and each class of mutation. Their unmutated twin is accepted
//! before and after. A mutation changes something that is signed: the token itself, or a part of the request that
//! changes its hash according to `atlassian-jwt` (`tests/fixtures/mutations.json`).

mod claims;
mod draft;
mod guards;
mod mutations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use draft::{Actor, Draft};
use guards::{GUARDS, Guard, Hosts};
use mutations::{CLASSES, Class};

use crate::support::blocking;
use crate::support::rng::Rng;
use crate::support::wire::Connection;

const SEED: u64 = 20_261_122;
/// Mutated requests of each class for each guard.
const EACH: usize = 210;
/// A twin is sent before and after this many; not more than the mutations of each base request.
const GROUP: usize = 42;
/// Sites that send concurrently, each over its own connections. A refused signature waits for the store, per tenant.
const LANES: usize = 48;
/// The minimum, so that this test does not shrink unnoticed.
const LEAST_OF_EACH: usize = 200;
const LEAST: usize = 20_000;

/// Some mutations of one class at one guard, all of them of the same twin.
struct Group {
    guard: Guard,
    class: &'static Class,
    first: usize,
}

#[derive(Default)]
struct Tally {
    /// The requests that were sent and refused, by class and guard.
    refused: BTreeMap<(usize, Guard), BTreeSet<String>>,
    twins: usize,
    failures: Vec<String>,
}

#[actix_web::test]
async fn no_mutation_of_what_is_signed_is_accepted() {
    let hosts = Hosts::start(LANES).await;
    let mut groups = Vec::new();
    for guard in GUARDS {
        for class in CLASSES.iter().filter(|class| (class.fits)(guard)) {
            groups.extend((0..EACH).step_by(GROUP).map(|first| Group { guard, class, first }));
        }
    }
    let actors = hosts.actors();
    let tally = blocking(move || fire(&groups, actors)).await;
    let table = table(&tally);
    println!("{table}");
    assert!(
        tally.failures.is_empty(),
        "{} failed:\n{}",
        tally.failures.len(),
        tally.failures[..tally.failures.len().min(20)].join("\n")
    );

    let total: usize = tally.refused.values().map(BTreeSet::len).sum();
    assert!(total >= LEAST, "only {total} requests");
    for guard in GUARDS {
        for (index, class) in CLASSES.iter().enumerate().filter(|(_, class)| (class.fits)(guard)) {
            let count = tally.refused.get(&(index, guard)).map_or(0, BTreeSet::len);
            assert!(count >= LEAST_OF_EACH, "only {count} of {} at {guard:?}", class.name);
        }
        assert_eq!(hosts.of(guard).get("/healthz").await.status, 200, "{guard:?} lives");
    }
}

fn fire(groups: &[Group], actors: Vec<Actor>) -> Tally {
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for (number, actor) in actors.into_iter().enumerate() {
            let tally = &tally;
            scope.spawn(move || {
                let mut lane = Lane { actor, connections: BTreeMap::new(), tally };
                groups.iter().skip(number).step_by(LANES).for_each(|group| lane.fire(group));
            });
        }
    });
    tally.into_inner().unwrap()
}

struct Lane<'a> {
    actor: Actor,
    connections: BTreeMap<Guard, Connection>,
    tally: &'a Mutex<Tally>,
}

impl Lane<'_> {
    fn fire(&mut self, group: &Group) {
        let Group { guard, class, first } = *group;
        let named = format!("{} at {guard:?}", class.name);
        let twin = Draft::of(guard, class, first / GROUP, &self.actor);
        let mut failures: Vec<String> = self.check_twin(guard, &twin, &named).into_iter().collect();
        let mut refused = BTreeSet::new();
        for i in first..EACH.min(first + GROUP) {
            let mut draft = twin.clone();
            let mut rng = Rng::of(SEED, &format!("{named} {i}"));
            let what = (class.mutate)(&mut draft, i, &self.actor, &mut rng);
            let request = draft.request(&self.actor);
            match self.connection(guard).send(&request) {
                Some(answer) if class.refusals.contains(&answer.status) => {
                    refused.insert(what);
                }
                // too many made-up ids were sent for the key server to be asked
                Some(answer) if answer.status == 503 && draft.names_another_key(&self.actor) => {
                    refused.insert(what);
                }
                Some(answer) => failures.push(format!("{named}: {what}: {} {}", answer.status, answer.text())),
                None => failures.push(format!("{named}: {what}: no answer")),
            }
        }
        failures.extend(self.check_twin(guard, &twin, &named));
        let mut tally = self.tally.lock().unwrap();
        let index = CLASSES.iter().position(|known| known.name == class.name).unwrap();
        tally.refused.entry((index, guard)).or_default().extend(refused);
        tally.twins += 2;
        tally.failures.extend(failures);
    }

    fn check_twin(&mut self, guard: Guard, twin: &Draft, named: &str) -> Option<String> {
        let request = twin.request(&self.actor);
        match self.connection(guard).send(&request) {
            Some(answer) if answer.status == guard.accepted() => None,
            answer => Some(format!("{named}: the twin is refused: {answer:?}")),
        }
    }

    fn connection(&mut self, guard: Guard) -> &mut Connection {
        let url = &self.actor.base_urls[&guard];
        self.connections.entry(guard).or_insert_with(|| Connection::to(url))
    }
}

fn table(tally: &Tally) -> String {
    let mut text = String::from("hostile requests, all of them refused, by class and guarded route:\n");
    let cell = |text: &str| format!("{text:>12}");
    text += &format!("{:12}{}{}\n", "", GUARDS.map(|guard| cell(&format!("{guard:?}"))).concat(), cell("all"));
    let mut total = 0;
    for (index, class) in CLASSES.iter().enumerate() {
        let counts = GUARDS.map(|guard| tally.refused.get(&(index, guard)).map_or(0, BTreeSet::len));
        let sum: usize = counts.iter().sum();
        total += sum;
        let counts = counts.map(|count| if count == 0 { cell("-") } else { cell(&count.to_string()) }).concat();
        text += &format!("{:12}{counts}{}\n", class.name, cell(&sum.to_string()));
    }
    text + &format!("{total} hostile requests refused, {} twins accepted", tally.twins)
}
