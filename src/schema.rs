//! The tables of the app's own, as diesel knows them; `migrations/` makes them. A test compares the two.

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
