//! The state of a conversion: its findings, and the keys in use.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::exceptions::Exception;
use super::pages::Pages;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::descriptor::{Descriptor, Finding};

/// A conversion of a descriptor to a manifest of `product`, which is Jira or Confluence.
pub(super) struct Conversion<'a> {
    pub(super) descriptor: &'a Descriptor,
    pub(super) product: Product,
    /// Set if page modules become Forge modules.
    pub(super) pages: Option<Pages<'a>>,
    findings: Vec<Finding>,
    /// The keys of the manifest's modules.
    taken: HashSet<String>,
}

impl<'a> Conversion<'a> {
    pub(super) fn new(descriptor: &'a Descriptor, product: Product, pages: Option<Pages<'a>>) -> Self {
        Self { descriptor, product, pages, findings: Vec::new(), taken: HashSet::new() }
    }

    /// In the order of the file; parts that code has added come last.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings;
        findings.sort_by_key(|finding| finding.position.map_or((1, None), |position| (0, Some(position))));
        findings
    }

    pub(super) fn report(&mut self, exception: &Exception, path: impl Into<String>) {
        self.report_with(exception, path, "");
    }

    /// Like `report`, with the name that the reason leaves open.
    pub(super) fn report_with(&mut self, exception: &Exception, path: impl Into<String>, name: &str) {
        let reason = exception.reason.replace('…', name);
        self.findings.push(self.descriptor.finding(exception.severity, path, reason));
    }

    /// A member of the root. Null counts as missing.
    pub(super) fn member(&self, name: &str) -> Option<&'a Value> {
        self.descriptor.value().get(name).filter(|value| !value.is_null())
    }

    /// The same for a member that must be an object.
    pub(super) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let value = self.member(name)?;
        if !value.is_object() {
            self.report_with(
                &super::exceptions::ODD_TYPE,
                atlassian_connect_actix::internal::descriptor::member("$", name),
                "an object",
            );
        }
        value.as_object()
    }

    /// `jira:webPanels`.
    pub(super) fn qualified(&self, name: &str) -> String {
        format!("{}:{name}", self.product.as_str())
    }

    /// False if another module has the key.
    pub(super) fn take_key(&mut self, key: &str) -> bool {
        self.taken.insert(key.to_owned())
    }

    /// `wanted`, or the first of `wanted-2`, `wanted-3` … that no module has. Call this after taking the descriptor's
    /// own keys.
    pub(super) fn fresh_key(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut keys = std::iter::once(wanted.to_owned()).chain(numbered);
        let key = keys.find(|key| !self.taken.contains(key)).unwrap_or_default();
        self.taken.insert(key.clone());
        key
    }
}
