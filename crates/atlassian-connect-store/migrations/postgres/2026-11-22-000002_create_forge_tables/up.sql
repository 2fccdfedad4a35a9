-- Which tenant a Forge installation belongs to, and the values of Forge installations: as newer
-- releases of atlassian-connect-express make them. Where its database lacks them, they are added.
-- No index is unique, for the reason that the settings' migration gives.
CREATE TABLE IF NOT EXISTS "InstallationClientKeys" (
    "id" SERIAL PRIMARY KEY,
    "installationId" VARCHAR(255) NOT NULL,
    "clientKey" VARCHAR(255) NOT NULL
);
CREATE INDEX IF NOT EXISTS "installation_client_keys_installation_id" ON "InstallationClientKeys" ("installationId");
CREATE INDEX IF NOT EXISTS "installation_client_keys_client_key" ON "InstallationClientKeys" ("clientKey");

CREATE TABLE IF NOT EXISTS "ForgeSettings" (
    "id" SERIAL PRIMARY KEY,
    "installationId" VARCHAR(255) NOT NULL,
    "key" VARCHAR(255) NOT NULL,
    "val" JSON NOT NULL
);
CREATE INDEX IF NOT EXISTS "forge_settings_installation_id_key" ON "ForgeSettings" ("installationId", "key");
