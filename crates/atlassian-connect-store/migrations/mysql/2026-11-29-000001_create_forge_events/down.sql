-- An event that waits has been accepted, and Forge does not send it again: so the table is only dropped when none waits.
DROP TEMPORARY TABLE IF EXISTS `revert_guard`;
CREATE TEMPORARY TABLE `revert_guard` (`message` VARCHAR(64) PRIMARY KEY);
INSERT INTO `revert_guard` VALUES ('forge_events still holds events that wait: let them end, revert');
INSERT INTO `revert_guard`
    SELECT 'forge_events still holds events that wait: let them end, revert' FROM `forge_events`
    WHERE `state` = 'waiting' LIMIT 1;
DROP TEMPORARY TABLE `revert_guard`;
DROP TABLE `forge_events`;
