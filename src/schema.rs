//! The app's own tables for diesel. `migrations/` creates them; a test compares the two.

diesel::table! {
    notes (id) {
        id -> BigInt,
        tenant -> Text,
        issue -> Text,
        author -> Text,
        text -> Text,
        created -> BigInt,
    }
}
