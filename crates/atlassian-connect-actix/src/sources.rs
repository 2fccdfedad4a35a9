//! Alternatives to Atlassian's servers: sources of keys, and services of sites.

use std::sync::OnceLock;

/// Sources of one type, in the order in which they are asked: an optional first one, then Atlassian's, which is used
/// for everything else.
///
/// The first source can only be set before the add-on is mounted. After that it cannot change.
#[derive(Debug)]
pub struct Sources<S: ?Sized> {
    in_front: OnceLock<Option<Box<S>>>,
    atlassian: Box<S>,
}

impl<S: ?Sized> Sources<S> {
    /// Only Atlassian's source.
    #[must_use]
    pub fn new(atlassian: Box<S>) -> Self {
        Self { in_front: OnceLock::new(), atlassian }
    }

    /// Asks `source` first from now on. Returns `false`, and changes nothing, if there already is such a source or the
    /// add-on is mounted.
    #[must_use]
    pub fn put_in_front(&self, source: Box<S>) -> bool {
        self.in_front.set(Some(source)).is_ok()
    }

    /// From now on no first source can be set.
    pub(crate) fn fix(&self) {
        self.in_front.get_or_init(|| None);
    }

    /// The source to ask: the first one if `has` accepts it, else Atlassian's.
    pub fn find(&self, has: impl Fn(&S) -> bool) -> &S {
        match self.in_front.get() {
            Some(Some(source)) if has(source) => source,
            _ => &self.atlassian,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_in_front_is_asked_for_what_it_has_and_atlassians_for_the_rest() {
        let sources: Sources<str> = Sources::new("atlassian".into());
        assert_eq!(sources.find(|_| true), "atlassian");
        assert!(sources.put_in_front("mine".into()));
        assert_eq!(sources.find(|source| source == "mine"), "mine");
        assert_eq!(sources.find(|_| false), "atlassian");
        assert!(!sources.put_in_front("a second one".into()));
        assert_eq!(sources.find(|_| true), "mine");
    }

    #[test]
    fn nothing_is_put_in_front_once_the_sources_are_fixed() {
        let sources: Sources<str> = Sources::new("atlassian".into());
        sources.fix();
        assert!(!sources.put_in_front("mine".into()));
        assert_eq!(sources.find(|_| true), "atlassian");
    }
}
