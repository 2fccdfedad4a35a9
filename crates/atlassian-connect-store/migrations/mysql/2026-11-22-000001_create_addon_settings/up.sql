-- The tenants: table, columns and index as atlassian-connect-express makes them, so that either opens the other's.
-- The index is not unique, as there: an old database may hold two rows of one tenant, and each holds a secret that
-- may be the good one. It becomes unique once such rows are settled. IF NOT EXISTS: safe on a database of ACE's, and
-- after a step that was broken off, as MySQL takes no table back. Any language's names fit, and differ by case.
CREATE TABLE IF NOT EXISTS `AddonSettings` (
    `id` INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `clientKey` VARCHAR(255),
    `key` VARCHAR(255),
    `val` JSON,
    KEY `addon_settings_client_key_key` (`clientKey`, `key`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
