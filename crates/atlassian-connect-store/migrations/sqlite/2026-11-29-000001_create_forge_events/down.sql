-- An event that waits has been accepted, and Forge does not send it again: so the table is only dropped when none waits.
CREATE TEMP TABLE "revert_guard" (
    "empty" INTEGER,
    CONSTRAINT "forge_events still holds events that wait: let the app process them, then revert" CHECK ("empty" = 1)
);
INSERT INTO "revert_guard" SELECT NOT EXISTS (SELECT 1 FROM "forge_events" WHERE "state" = 'waiting');
DROP TABLE "revert_guard";
DROP TABLE "forge_events";
