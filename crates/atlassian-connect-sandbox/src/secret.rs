//! Random strings.

use atlassian_connect_actix::internal::to_hex;

/// 32 random bytes in hexadecimal.
pub(super) fn new_secret() -> String {
    let mut bytes = [0; 32];
    // add-ons refuse an empty secret, which is better than a guessable one
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return String::new();
    }
    to_hex(&bytes)
}
