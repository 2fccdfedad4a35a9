//! What an operator sees: the metrics and the audit log. Both belong to the process, so these tests have a program of
//! their own.

mod audit;
#[path = "../shared/log.rs"]
mod log;
mod metrics;
