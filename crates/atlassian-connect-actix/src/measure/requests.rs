//! Requests by route. Each thread keeps the handles of the routes that it has served.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::HttpRequest;
use metrics::{Counter, Histogram};

use super::families::{REQUEST_SECONDS, REQUESTS};
use super::handles::{histogram_with_name, with_name};
use super::is_on;
use crate::trace::usual_method;

/// The route of a path that no route has.
const NO_ROUTE: &str = "none";

/// The handles of a route.
struct Route {
    seconds: Histogram,
    counts: HashMap<(&'static str, u16), Counter>,
}

thread_local! {
    static ROUTES: RefCell<HashMap<String, Route>> = RefCell::default();
}

/// A request was answered.
pub(crate) fn request(request: &HttpRequest, status: u16, took: Duration) {
    if !is_on() {
        return;
    }
    let method = usual_method(request.method()).unwrap_or("other");
    let pattern = request.match_pattern().filter(|pattern| !pattern.is_empty());
    let pattern = pattern.unwrap_or_else(|| NO_ROUTE.to_owned());
    ROUTES.with_borrow_mut(|routes| {
        // `entry` would need a second copy of the name
        if !routes.contains_key(&pattern) {
            let seconds = histogram_with_name(&REQUEST_SECONDS, &[&pattern]);
            routes.insert(pattern.clone(), Route { seconds, counts: HashMap::new() });
        }
        let Some(route) = routes.get_mut(&pattern) else { return };
        route.seconds.record(took);
        let count = route.counts.entry((method, status));
        count.or_insert_with(|| with_name(&REQUESTS, &[&pattern, method, &status.to_string()])).increment(1);
    });
}
