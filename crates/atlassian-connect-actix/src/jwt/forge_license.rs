//! [`ForgeLicense`].

use serde::Deserialize;

use super::lenient::{LenientObject, lenient, texts};

/// The claim `app.license`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ForgeLicense {
    /// Whether it is paid for or in its trial.
    #[serde(default, deserialize_with = "lenient")]
    pub active: Option<bool>,
    /// The same under its older name, which is being removed: [`ForgeLicense::is_active`] reads both.
    #[serde(default, deserialize_with = "lenient")]
    pub is_active: Option<bool>,
    /// `MONTHLY`, `ANNUAL` …
    #[serde(default, deserialize_with = "lenient")]
    pub billing_period: Option<String>,
    /// `capabilityStandard`, `capabilityAdvanced`.
    #[serde(default, deserialize_with = "lenient")]
    pub capability_set: Option<String>,
    /// The id of its entitlement.
    #[serde(default, deserialize_with = "lenient")]
    pub ccp_entitlement_id: Option<String>,
    /// The entitlement's short name.
    #[serde(default, deserialize_with = "lenient")]
    pub ccp_entitlement_slug: Option<String>,
    /// Whether it is a trial.
    #[serde(default, deserialize_with = "lenient")]
    pub is_evaluation: Option<bool>,
    /// When the subscription ends.
    #[serde(default, deserialize_with = "lenient")]
    pub subscription_end_date: Option<String>,
    /// The number for Atlassian's support.
    #[serde(default, deserialize_with = "lenient")]
    pub support_entitlement_number: Option<String>,
    /// When the trial ends.
    #[serde(default, deserialize_with = "lenient")]
    pub trial_end_date: Option<String>,
    /// `COMMERCIAL`, `ACADEMIC` …, in upper or lower case.
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    /// What it allows: `USER_ACCESS` …
    #[serde(default, deserialize_with = "texts")]
    pub modes: Vec<String>,
}

impl LenientObject for ForgeLicense {}

impl ForgeLicense {
    /// Whether it is paid for or in its trial: `active`, or `isActive` if the token has only that. A license with
    /// neither is not active.
    ///
    /// Source: Atlassian's changelog, CHANGE-3155.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.or(self.is_active).unwrap_or_default()
    }

    /// Whether it is a trial.
    #[must_use]
    pub fn is_evaluation(&self) -> bool {
        self.is_evaluation.unwrap_or_default()
    }

    /// Its type in upper case, since tokens use both cases: `COMMERCIAL`, `ACADEMIC` …
    #[must_use]
    pub fn license_type(&self) -> Option<String> {
        self.kind.as_deref().map(str::to_ascii_uppercase)
    }

    /// Whether it has this mode, in upper or lower case.
    #[must_use]
    pub fn has_mode(&self, mode: &str) -> bool {
        self.modes.iter().any(|own| own.eq_ignore_ascii_case(mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_license_is_active_under_both_names() {
        for (license, active, kind, evaluation, modes) in [
            (
                json!({ "active": true, "type": "commercial", "modes": ["USER_ACCESS"] }),
                true,
                Some("COMMERCIAL"),
                false,
                1,
            ),
            (json!({ "isActive": true, "type": "COMMERCIAL" }), true, Some("COMMERCIAL"), false, 0),
            (json!({ "active": false, "isActive": true }), false, None, false, 0),
            (json!({ "active": true, "isActive": false, "isEvaluation": true }), true, None, true, 0),
            (json!({ "active": null, "isActive": true }), true, None, false, 0),
            (json!({ "active": "yes", "isActive": true }), true, None, false, 0),
            (
                json!({ "active": "true", "type": 7, "isEvaluation": "true", "modes": "USER_ACCESS" }),
                false,
                None,
                false,
                1,
            ),
            (json!({ "active": true, "modes": ["user_access", 7, null, "OTHER"] }), true, None, false, 2),
            (json!({ "modes": null }), false, None, false, 0),
            (json!({ "modes": { "a": 1 } }), false, None, false, 0),
            (json!({}), false, None, false, 0),
        ] {
            let read = ForgeLicense::deserialize(&license).unwrap();
            assert_eq!((read.is_active(), read.is_evaluation()), (active, evaluation), "{license}");
            assert_eq!((read.license_type().as_deref(), read.modes.len()), (kind, modes), "{license}");
            assert_eq!(read.has_mode("USER_ACCESS"), modes > 0, "{license}");
        }
    }
}
