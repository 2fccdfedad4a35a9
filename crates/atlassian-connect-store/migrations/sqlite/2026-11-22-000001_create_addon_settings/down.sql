-- The rows hold the customers' secrets, which only a new install by each customer restores. So only an empty table is
-- dropped. If it has rows, the revert stops: to drop them anyway, make a backup and empty the table first.
-- SQLite has no RAISE outside a trigger, so a constraint has the message as its name.
CREATE TEMP TABLE "revert_guard" (
    "empty" INTEGER,
    CONSTRAINT "AddonSettings still holds tenants: back it up and empty it, then revert" CHECK ("empty" = 1)
);
INSERT INTO "revert_guard" SELECT NOT EXISTS (SELECT 1 FROM "AddonSettings");
DROP TABLE "revert_guard";
DROP TABLE "AddonSettings";
