-- The tenant of each Forge installation, and the values of Forge installations, as newer versions of
-- atlassian-connect-express create them. They are added to a database of an older version.
-- No index is unique, for the reason given in the migration of the settings.
CREATE TABLE IF NOT EXISTS "InstallationClientKeys" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "installationId" VARCHAR(255) NOT NULL,
    "clientKey" VARCHAR(255) NOT NULL
);
CREATE INDEX IF NOT EXISTS "installation_client_keys_installation_id" ON "InstallationClientKeys" ("installationId");
CREATE INDEX IF NOT EXISTS "installation_client_keys_client_key" ON "InstallationClientKeys" ("clientKey");

CREATE TABLE IF NOT EXISTS "ForgeSettings" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "installationId" VARCHAR(255) NOT NULL,
    "key" VARCHAR(255) NOT NULL,
    "val" JSON NOT NULL
);
CREATE INDEX IF NOT EXISTS "forge_settings_installation_id_key" ON "ForgeSettings" ("installationId", "key");
