CREATE TABLE votes (
    tenant VARCHAR(255) NOT NULL,
    issue VARCHAR(255) NOT NULL,
    account VARCHAR(255) NOT NULL,
    PRIMARY KEY (tenant, issue, account)
);
