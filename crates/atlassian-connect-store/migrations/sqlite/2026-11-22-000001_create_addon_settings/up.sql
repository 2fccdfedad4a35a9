-- The tenants: table, columns and index as atlassian-connect-express makes them, so that either opens the other's.
-- The index is not unique, as there: an old database may hold two rows of one tenant, and each holds a secret that
-- may be the good one. It becomes unique once such rows are settled. IF NOT EXISTS: safe on a database of ACE's.
CREATE TABLE IF NOT EXISTS "AddonSettings" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "clientKey" VARCHAR(255),
    "key" VARCHAR(255),
    "val" JSON
);
CREATE INDEX IF NOT EXISTS "addon_settings_client_key_key" ON "AddonSettings" ("clientKey", "key");
