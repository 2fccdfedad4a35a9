-- The queue of Forge's events. `at` is the end of the lease of an event that waits, or the time at which one was done,
-- in seconds since 1970. No other program uses this table, so the id is unique, and decides which node has an event.
CREATE TABLE IF NOT EXISTS `forge_events` (
    `id` VARCHAR(65) NOT NULL PRIMARY KEY,
    `installation` VARCHAR(255) NOT NULL,
    `state` VARCHAR(7) NOT NULL,
    `at` BIGINT NOT NULL,
    `attempts` BIGINT NOT NULL,
    `body` LONGTEXT,
    KEY `forge_events_state_at` (`state`, `at`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
