//! [`News`].

/// What came of something, for whoever clicked.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) good: bool,
    pub(super) text: String,
}
