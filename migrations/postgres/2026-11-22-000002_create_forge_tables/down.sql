-- Drops only empty tables, for the reason given in the migration of the settings.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM "InstallationClientKeys") OR EXISTS (SELECT 1 FROM "ForgeSettings") THEN
        RAISE EXCEPTION 'the Forge tables still hold rows: back them up and empty them, then revert';
    END IF;
END
$$;
DROP TABLE "InstallationClientKeys";
DROP TABLE "ForgeSettings";
