//! `tenants encrypt` and `tenants decrypt`: convert every value of the store.

use super::failure::{Exit, Failure};
use super::output::{complain, plain, print};
use super::progress::Progress;
use atlassian_connect_actix::internal::audit;
use atlassian_connect_actix::store::internal::SealedStore;
use atlassian_connect_actix::store::internal::admin::{Conversion, ValueForm};

pub(super) async fn run(store: &SealedStore, place: &str, form: ValueForm) -> Result<Exit, Failure> {
    let what = match form {
        ValueForm::Sealed => "encrypting values",
        ValueForm::Clear => "decrypting values",
    };
    let progress = Progress::start(what, None);
    let done = store.convert_with(form, &|| progress.advance()).await?;
    drop(progress);
    audit::converted(store.key_id().filter(|_| form == ValueForm::Sealed), done.converted);
    let key = store.key_id().unwrap_or_default();
    print(&said(&done, form, key, place));
    let complaints = complaints(&done);
    for complaint in &complaints {
        complain(complaint);
    }
    Ok(if complaints.is_empty() { Exit::Done } else { Exit::Failed })
}

fn said(done: &Conversion, form: ValueForm, key: &str, place: &str) -> String {
    let (converted, left) = (done.converted, &done.left);
    match form {
        ValueForm::Sealed => format!(
            "encrypted {converted} values in {place}; now {} of {} are encrypted with key {key}",
            left.sealed,
            left.values()
        ),
        ValueForm::Clear => format!(
            "decrypted {converted} values in {place}; now {} of {} are in clear. A node with keys encrypts what \
             it writes: unset AC_STORE_ENCRYPTION_KEYS on all of them",
            left.clear,
            left.values()
        ),
    }
}

fn complaints(done: &Conversion) -> Vec<String> {
    let mut complaints = Vec::new();
    if done.left.unopened > 0 {
        complaints
            .push(format!("{} values cannot be decrypted and were left unchanged, for example:", done.left.unopened));
        complaints.extend(done.left.reasons.iter().map(|reason| format!("  {}", plain(reason))));
    }
    if !done.is_settled {
        complaints.push(
            "not all values are converted, because nodes with other keys keep writing. Give every node the same keys, \
             and run this again"
                .to_owned(),
        );
    }
    complaints
}
