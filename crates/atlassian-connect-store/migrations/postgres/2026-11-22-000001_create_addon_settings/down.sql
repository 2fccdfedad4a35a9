-- The rows hold the customers' secrets, which only a new install by each customer brings back. So this drops an empty
-- table alone; one with rows stops the revert, and whoever means it empties the table first, after a backup.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM "AddonSettings") THEN
        RAISE EXCEPTION '"AddonSettings" still holds tenants: back it up and empty it, then revert';
    END IF;
END
$$;
DROP TABLE "AddonSettings";
