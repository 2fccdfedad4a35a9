//! Hashes of requests by the npm package `atlassian-jwt`, see `tests/vectors/make.mjs`.

use std::sync::LazyLock;

use serde::Deserialize;

/// A request and its hash.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub method: String,
    pub path: String,
    pub query: String,
    pub qsh: String,
}

/// A request, and others that differ from it in a signed part.
#[derive(Deserialize)]
pub(crate) struct Base {
    /// Which part the others change: `path`, `query` or `form`.
    pub part: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub form: String,
    pub qsh: String,
    /// The changed part, and the hash of the resulting request.
    pub mutated: Vec<(String, String)>,
}

pub(crate) static VECTORS: LazyLock<Vec<Vector>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../fixtures/qsh.json")).unwrap());

pub(crate) static BASES: LazyLock<Vec<Base>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../fixtures/mutations.json")).unwrap());

/// The base requests of a method whose mutations change `part`.
pub(crate) fn bases(method: &str, part: &str) -> Vec<&'static Base> {
    let bases: Vec<&Base> = BASES.iter().filter(|base| base.method == method && base.part == part).collect();
    for base in &bases {
        assert!(base.mutated.iter().all(|(_, hash)| *hash != base.qsh), "a mutation changes what is signed");
    }
    bases
}
