-- Notes beside issues. issue is the id, which stays the same if the issue moves to another project; author is the
-- Atlassian account id.
CREATE TABLE notes (
    id BIGINT NOT NULL PRIMARY KEY,
    tenant VARCHAR(255) NOT NULL,
    issue VARCHAR(255) NOT NULL,
    author VARCHAR(255) NOT NULL,
    text TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX notes_of_issue ON notes (tenant, issue);
