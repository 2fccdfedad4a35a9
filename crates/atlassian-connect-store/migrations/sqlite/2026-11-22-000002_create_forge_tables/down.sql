-- Drops only empty tables, for the reason given in the migration of the settings.
CREATE TEMP TABLE "revert_guard" (
    "empty" INTEGER,
    CONSTRAINT "the Forge tables still hold rows: back them up and empty them, then revert" CHECK ("empty" = 1)
);
INSERT INTO "revert_guard"
SELECT NOT EXISTS (SELECT 1 FROM "InstallationClientKeys") AND NOT EXISTS (SELECT 1 FROM "ForgeSettings");
DROP TABLE "revert_guard";
DROP TABLE "InstallationClientKeys";
DROP TABLE "ForgeSettings";
