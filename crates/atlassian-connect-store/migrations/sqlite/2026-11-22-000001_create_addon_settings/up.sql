-- The table of tenants, with the columns and the index of atlassian-connect-express (ACE), so that both can use it.
-- The index is not unique, as in ACE: an old database may have two rows of one tenant, and either may hold the valid
-- secret. IF NOT EXISTS: safe on a database that ACE has created.
CREATE TABLE IF NOT EXISTS "AddonSettings" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "clientKey" VARCHAR(255),
    "key" VARCHAR(255),
    "val" JSON
);
CREATE INDEX IF NOT EXISTS "addon_settings_client_key_key" ON "AddonSettings" ("clientKey", "key");
