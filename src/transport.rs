//! The HTTP client of each thread: awc over rustls with the web's roots. It is not `Send`, so every worker has its own.

use std::cell::RefCell;
use std::time::Duration;

use awc::Client;

thread_local! {
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// The client of this thread, made at its first use. It follows no redirect: who sends credentials must see where to.
#[must_use]
pub fn client() -> Client {
    CLIENT.with_borrow_mut(|client| client.get_or_insert_with(build).clone())
}

fn build() -> Client {
    let connector = awc::Connector::new().timeout(Duration::from_secs(4));
    Client::builder().connector(connector).timeout(Duration::from_secs(10)).disable_redirects().finish()
}
