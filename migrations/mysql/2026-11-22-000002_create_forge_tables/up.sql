-- The tenant of each Forge installation, and the values of Forge installations, as newer versions of
-- atlassian-connect-express create them. They are added to a database of an older version.
-- No index is unique, for the reason given in the migration of the settings.
CREATE TABLE IF NOT EXISTS `InstallationClientKeys` (
    `id` INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `installationId` VARCHAR(255) NOT NULL,
    `clientKey` VARCHAR(255) NOT NULL,
    KEY `installation_client_keys_installation_id` (`installationId`),
    KEY `installation_client_keys_client_key` (`clientKey`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `ForgeSettings` (
    `id` INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `installationId` VARCHAR(255) NOT NULL,
    `key` VARCHAR(255) NOT NULL,
    `val` JSON NOT NULL,
    KEY `forge_settings_installation_id_key` (`installationId`, `key`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
