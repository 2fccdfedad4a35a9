//! The handles of series whose labels are fixed words. Each thread keeps its own, so that recording allocates nothing
//! and takes no lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use super::families::Family;
use super::is_on;

/// A metric and the values of its labels; unused ones are empty.
type Series = (&'static str, [&'static str; 3]);

thread_local! {
    static COUNTERS: RefCell<HashMap<Series, Counter>> = RefCell::default();
    static HISTOGRAMS: RefCell<HashMap<Series, Histogram>> = RefCell::default();
    static GAUGES: RefCell<HashMap<Series, Gauge>> = RefCell::default();
}

fn series<const N: usize>(family: &Family<N>, values: [&'static str; N]) -> Series {
    let mut all = [""; 3];
    for (slot, value) in all.iter_mut().zip(values) {
        *slot = value;
    }
    (family.name, all)
}

fn labels<const N: usize>(family: &Family<N>, values: [&'static str; N]) -> Vec<Label> {
    family.labels.into_iter().zip(values).map(|(name, value)| Label::from_static_parts(name, value)).collect()
}

fn owned<const N: usize>(family: &Family<N>, values: &[&str; N]) -> Vec<Label> {
    family.labels.into_iter().zip(values).map(|(name, value)| Label::new(name, (*value).to_owned())).collect()
}

fn add_count<const N: usize>(family: &Family<N>, values: [&'static str; N], count: u64) {
    if !is_on() {
        return;
    }
    COUNTERS.with_borrow_mut(|known| {
        let handle = known.entry(series(family, values));
        handle.or_insert_with(|| counter!(family.name, labels(family, values))).increment(count);
    });
}

/// Adds one.
pub(super) fn add<const N: usize>(family: &Family<N>, values: [&'static str; N]) {
    add_count(family, values, 1);
}

/// Makes the series known, with 0 if it is new.
pub(super) fn add_nothing<const N: usize>(family: &Family<N>, values: [&'static str; N]) {
    add_count(family, values, 0);
}

/// Records a duration.
pub(super) fn observe<const N: usize>(family: &Family<N>, values: [&'static str; N], took: Duration) {
    if !is_on() {
        return;
    }
    HISTOGRAMS.with_borrow_mut(|known| {
        let handle = known.entry(series(family, values));
        handle.or_insert_with(|| histogram!(family.name, labels(family, values))).record(took);
    });
}

fn with_gauge<const N: usize>(family: &Family<N>, values: [&'static str; N], change: impl FnOnce(&Gauge)) {
    if !is_on() {
        return;
    }
    GAUGES.with_borrow_mut(|known| {
        let handle = known.entry(series(family, values));
        change(handle.or_insert_with(|| gauge!(family.name, labels(family, values))));
    });
}

/// Sets the level.
pub(super) fn set<const N: usize>(family: &Family<N>, values: [&'static str; N], level: f64) {
    with_gauge(family, values, |gauge| gauge.set(level));
}

/// Adds to the level.
pub(super) fn shift<const N: usize>(family: &Family<N>, values: [&'static str; N], by: f64) {
    with_gauge(family, values, |gauge| gauge.increment(by));
}

/// The counter of a series with names of the app. It is for what happens rarely: it allocates.
pub(super) fn with_name<const N: usize>(family: &Family<N>, values: &[&str; N]) -> Counter {
    counter!(family.name, owned(family, values))
}

/// The same for durations.
pub(super) fn histogram_with_name<const N: usize>(family: &Family<N>, values: &[&str; N]) -> Histogram {
    histogram!(family.name, owned(family, values))
}

/// The same for a level.
pub(super) fn set_with_name<const N: usize>(family: &Family<N>, values: &[&str; N], level: f64) {
    gauge!(family.name, owned(family, values)).set(level);
}
