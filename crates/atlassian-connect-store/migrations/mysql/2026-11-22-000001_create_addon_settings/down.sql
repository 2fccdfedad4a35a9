-- The rows hold the customers' secrets, which only a new install by each customer brings back. So this drops an empty
-- table alone; one with rows stops the revert, and whoever means it empties the table first, after a backup.
-- MySQL has no SIGNAL outside a procedure: a key that is there already, and is the message, does it.
DROP TEMPORARY TABLE IF EXISTS `revert_guard`;
CREATE TEMPORARY TABLE `revert_guard` (`message` VARCHAR(64) PRIMARY KEY);
INSERT INTO `revert_guard` VALUES ('AddonSettings still holds tenants: back it up, empty it, revert');
INSERT INTO `revert_guard`
    SELECT 'AddonSettings still holds tenants: back it up, empty it, revert' FROM `AddonSettings` LIMIT 1;
DROP TEMPORARY TABLE `revert_guard`;
DROP TABLE `AddonSettings`;
