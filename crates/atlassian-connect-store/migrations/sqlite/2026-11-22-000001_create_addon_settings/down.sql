-- The rows hold the customers' secrets, which only a new install by each customer brings back. So this drops an empty
-- table alone; one with rows stops the revert, and whoever means it empties the table first, after a backup.
-- SQLite has no RAISE outside a trigger: a constraint whose name is the message does it.
CREATE TEMP TABLE "revert_guard" (
    "empty" INTEGER,
    CONSTRAINT "AddonSettings still holds tenants: back it up and empty it, then revert" CHECK ("empty" = 1)
);
INSERT INTO "revert_guard" SELECT NOT EXISTS (SELECT 1 FROM "AddonSettings");
DROP TABLE "revert_guard";
DROP TABLE "AddonSettings";
