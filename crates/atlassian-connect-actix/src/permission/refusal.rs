//! The errors for permissions that are not granted.

use crate::error::Error;

/// A list of permission names.
pub(super) type Names = &'static [&'static str];

/// The permission is not granted: 403. `needed` has, for each type of permission, its scope and its names.
pub(super) fn denied(needed: &[(&str, &[&str])]) -> Error {
    let named = needed.iter().filter(|(_, names)| !names.is_empty());
    let named: Vec<String> = named.map(|(what, names)| format!("{} {what}", names.join(", "))).collect();
    let detail = format!("the user needs {}, but the host does not grant all of it", named.join(" and "));
    Error::forbidden("You do not have permission to do this.", detail)
}

/// The permission could not be checked: 403, with its own message.
pub(super) fn undetermined(reason: impl std::fmt::Display) -> Error {
    Error::forbidden(
        "Your permissions could not be determined.",
        format!("permissions could not be determined: {reason}"),
    )
}
