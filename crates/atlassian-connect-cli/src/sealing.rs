//! `tenants encrypt` and `tenants decrypt`: every value of the store in one form.

use super::failure::{Exit, Failure};
use super::output::{complain, plain, print};
use atlassian_connect_actix::store::internal::{Conversion, Form, SealedStore};

pub(super) async fn run(store: &SealedStore, place: &str, form: Form) -> Result<Exit, Failure> {
    let done = store.convert(form).await?;
    let key = store.key_id().unwrap_or_default();
    print(&said(&done, form, key, place));
    let complaints = complaints(&done);
    for complaint in &complaints {
        complain(complaint);
    }
    Ok(if complaints.is_empty() { Exit::Done } else { Exit::Failed })
}

fn said(done: &Conversion, form: Form, key: &str, place: &str) -> String {
    let (converted, left) = (done.converted, &done.left);
    match form {
        Form::Sealed => format!(
            "sealed {converted} values in {place}; {} of {} are sealed with key {key} now",
            left.sealed,
            left.values()
        ),
        Form::Clear => format!(
            "opened {converted} values in {place}; {} of {} stand there in clear now. A node that has keys seals what \
             it writes: take AC_STORE_ENCRYPTION_KEYS from all of them",
            left.clear,
            left.values()
        ),
    }
}

fn complaints(done: &Conversion) -> Vec<String> {
    let mut complaints = Vec::new();
    if done.left.unopened > 0 {
        complaints.push(format!("{} values do not open, and were left as they are, among them:", done.left.unopened));
        complaints.extend(done.left.reasons.iter().map(|reason| format!("  {}", plain(reason))));
    }
    if !done.is_settled {
        complaints.push(
            "not all are converted: nodes with other keys write. Give every node the same ones, and run this again"
                .to_owned(),
        );
    }
    complaints
}
