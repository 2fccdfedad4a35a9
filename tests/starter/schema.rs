//! `crate::schema` in the documents.

diesel::table! {
    votes (tenant, issue, account) {
        tenant -> Text,
        issue -> Text,
        account -> Text,
    }
}
