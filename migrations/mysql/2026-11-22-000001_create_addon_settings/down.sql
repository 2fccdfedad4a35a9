-- The rows hold the customers' secrets, which only a new install by each customer restores. So only an empty table is
-- dropped. If it has rows, the revert stops: to drop them anyway, make a backup and empty the table first.
-- MySQL has no SIGNAL outside a procedure, so a duplicate key has the message as its value.
DROP TEMPORARY TABLE IF EXISTS `revert_guard`;
CREATE TEMPORARY TABLE `revert_guard` (`message` VARCHAR(64) PRIMARY KEY);
INSERT INTO `revert_guard` VALUES ('AddonSettings still holds tenants: back it up, empty it, revert');
INSERT INTO `revert_guard`
    SELECT 'AddonSettings still holds tenants: back it up, empty it, revert' FROM `AddonSettings` LIMIT 1;
DROP TEMPORARY TABLE `revert_guard`;
DROP TABLE `AddonSettings`;
