//! How names compare in MySQL and MariaDB. The other databases compare byte by byte anyway.
//!
//! ACE leaves the collation to the server, and the usual ones treat `Tenant`, `tenant` and `tenant ` as equal. So each
//! condition on a name is there twice: as the column compares, which its index can answer, and byte by byte, which
//! decides.

/// A text's bytes. ACE's columns may have any character set: texts are equal if they are equal in UTF-8.
pub(super) fn bytes(text: &str) -> String {
    format!("CAST(CONVERT({text} USING utf8mb4) AS BINARY)")
}

/// The condition that `column` equals `value`, which is `?` or another column.
pub(super) fn same(column: &str, value: &str) -> String {
    let again = if value == "?" { "?again" } else { value };
    format!("({column} = {value} AND {} = {})", bytes(column), bytes(again))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_twice() {
        insta::assert_snapshot!(
            same("a", "?"),
            @"(a = ? AND CAST(CONVERT(a USING utf8mb4) AS BINARY) = CAST(CONVERT(?again USING utf8mb4) AS BINARY))"
        );
        insta::assert_snapshot!(
            same("a", "b"),
            @"(a = b AND CAST(CONVERT(a USING utf8mb4) AS BINARY) = CAST(CONVERT(b USING utf8mb4) AS BINARY))"
        );
    }
}
