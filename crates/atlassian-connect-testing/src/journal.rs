//! The requests that the fake host's sites received, and who sent them.

use parking_lot::Mutex;

use super::call::HostCall;
use super::stub::Stub;
use crate::fake_host::{By, Ledger};

/// The state that the servers of one test share.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) ledger: Ledger,
    pub(super) stubs: Mutex<Vec<Stub>>,
    calls: Mutex<Vec<HostCall>>,
    problems: Mutex<Vec<String>>,
}

impl Journal {
    pub(super) fn problem(&self, problem: String) {
        self.problems.lock().push(problem);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.lock().clone()
    }

    pub(super) fn calls(&self) -> Vec<HostCall> {
        self.calls.lock().clone()
    }

    /// Records a request, and the reason if its credentials are invalid.
    pub(super) fn write(&self, call: &HostCall) {
        if let By::Refused(reason) = &call.by {
            self.problem(format!("{} {}: {reason}", call.method, call.path));
        }
        self.calls.lock().push(call.clone());
    }
}
