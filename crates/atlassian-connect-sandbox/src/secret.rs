//! Random texts.

use atlassian_connect_actix::internal::to_hex;

/// 32 random bytes, in hexadecimal.
pub(super) fn new_secret() -> String {
    let mut bytes = [0; 32];
    // an empty secret is refused by every add-on: better than one that can be guessed
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return String::new();
    }
    to_hex(&bytes)
}
