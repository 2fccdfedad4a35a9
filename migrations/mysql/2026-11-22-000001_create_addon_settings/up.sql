-- The table of tenants, with the columns and the index of atlassian-connect-express (ACE), so that both can use it.
-- The index is not unique, as in ACE: an old database may have two rows of one tenant, and either may hold the valid
-- secret. IF NOT EXISTS: safe on a database that ACE has created, and after an interrupted step, because MySQL cannot
-- roll back CREATE TABLE. utf8mb4_bin: names in any language fit, and their case counts.
CREATE TABLE IF NOT EXISTS `AddonSettings` (
    `id` INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `clientKey` VARCHAR(255),
    `key` VARCHAR(255),
    `val` JSON,
    KEY `addon_settings_client_key_key` (`clientKey`, `key`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
