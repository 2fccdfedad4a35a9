//! [`News`].

/// The result of a click, shown to the user.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) good: bool,
    pub(super) text: String,
}
