//! What the sites of the fake host are asked, and by whom.

use std::sync::Mutex;

use super::call::HostCall;
use super::stub::Stub;
use crate::fake_host::{By, Ledger, lock};

/// What the servers of one test share.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) ledger: Ledger,
    pub(super) stubs: Mutex<Vec<Stub>>,
    calls: Mutex<Vec<HostCall>>,
    problems: Mutex<Vec<String>>,
}

impl Journal {
    pub(super) fn problem(&self, problem: String) {
        lock(&self.problems).push(problem);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        lock(&self.problems).clone()
    }

    pub(super) fn calls(&self) -> Vec<HostCall> {
        lock(&self.calls).clone()
    }

    /// Writes a request down, and why its credentials do not hold if they do not.
    pub(super) fn write(&self, call: &HostCall) {
        if let By::Refused(reason) = &call.by {
            self.problem(format!("{} {}: {reason}", call.method, call.path));
        }
        lock(&self.calls).push(call.clone());
    }
}
