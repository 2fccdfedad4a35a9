//! How a permission that is not granted is refused.

use crate::error::Error;

/// A list of permissions' names.
pub(crate) type Names = &'static [&'static str];

/// No: 403. `needed` has a line for each kind of permission: what it is asked for, and its names.
pub(super) fn denied(needed: &[(&str, &[&str])]) -> Error {
    let named = needed.iter().filter(|(_, names)| !names.is_empty());
    let named: Vec<String> = named.map(|(what, names)| format!("{} {what}", names.join(", "))).collect();
    let detail = format!("the user needs {}, and the host does not grant all of it", named.join(" and "));
    Error::forbidden("You do not have the permission for this.", detail)
}

/// Nobody can tell: 403, with its own message.
pub(super) fn undetermined(reason: impl std::fmt::Display) -> Error {
    Error::forbidden(
        "Your permissions could not be determined.",
        format!("permissions could not be determined: {reason}"),
    )
}
