-- Drops empty tables alone, as the settings' migration does and for its reason.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM "InstallationClientKeys") OR EXISTS (SELECT 1 FROM "ForgeSettings") THEN
        RAISE EXCEPTION 'the Forge tables still hold rows: back them up and empty them, then revert';
    END IF;
END
$$;
DROP TABLE "InstallationClientKeys";
DROP TABLE "ForgeSettings";
