-- What people write down beside an issue. A tenant is a site; the issue stands there by its id, which a move to another
-- project does not change; the author by their Atlassian account id.
CREATE TABLE notes (
    id BIGINT NOT NULL PRIMARY KEY,
    tenant VARCHAR(255) NOT NULL,
    issue VARCHAR(255) NOT NULL,
    author VARCHAR(255) NOT NULL,
    text TEXT NOT NULL,
    created BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX notes_of_issue ON notes (tenant, issue);
