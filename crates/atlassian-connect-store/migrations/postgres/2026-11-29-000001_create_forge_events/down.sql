-- An event that waits has been accepted, and Forge does not send it again: so the table is only dropped when none waits.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM "forge_events" WHERE "state" = 'waiting') THEN
        RAISE EXCEPTION 'forge_events still holds events that wait: let the app process them, then revert';
    END IF;
END
$$;
DROP TABLE "forge_events";
