//! Forge tokens that the fake host issues.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpResponse;

use super::call::HostCall;
use super::journal::Journal;
use crate::fake_host::product_api;
use crate::fake_host::{TestTenant, must};

pub(super) fn issue(journal: &Journal, tenant: &TestTenant, account_id: Option<&str>, seconds: i64) -> String {
    let token = product_api::issue(&journal.ledger, tenant, account_id, seconds, &next_id());
    must(token, "the token cannot be signed")
}

fn next_id() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed).to_string()
}

/// Issues a token for an absent user, if the app requests one for this site.
pub(super) fn offline_token(journal: &Journal, tenant: &TestTenant, call: &HostCall) -> HttpResponse {
    let (answer, refusal) = product_api::offline_token(&journal.ledger, tenant, &call.by, &call.json(), &next_id());
    if let Some(reason) = refusal {
        journal.problem(format!("offlineUserAuthToken: {reason}"));
    }
    HttpResponse::Ok().json(answer)
}
