-- The rows hold the customers' secrets, which only a new install by each customer restores. So only an empty table is
-- dropped. If it has rows, the revert stops: to drop them anyway, make a backup and empty the table first.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM "AddonSettings") THEN
        RAISE EXCEPTION '"AddonSettings" still holds tenants: back it up and empty it, then revert';
    END IF;
END
$$;
DROP TABLE "AddonSettings";
