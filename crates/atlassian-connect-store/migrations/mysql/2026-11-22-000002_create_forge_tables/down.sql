-- Drops only empty tables, for the reason given in the migration of the settings.
DROP TEMPORARY TABLE IF EXISTS `revert_guard`;
CREATE TEMPORARY TABLE `revert_guard` (`message` VARCHAR(64) PRIMARY KEY);
INSERT INTO `revert_guard` VALUES ('the Forge tables still hold rows: back up, empty them, revert');
INSERT INTO `revert_guard`
    SELECT 'the Forge tables still hold rows: back up, empty them, revert' FROM `InstallationClientKeys` LIMIT 1;
INSERT INTO `revert_guard`
    SELECT 'the Forge tables still hold rows: back up, empty them, revert' FROM `ForgeSettings` LIMIT 1;
DROP TEMPORARY TABLE `revert_guard`;
DROP TABLE `InstallationClientKeys`, `ForgeSettings`;
