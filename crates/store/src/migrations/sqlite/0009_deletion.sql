-- Users who are to be deleted, and until then cannot sign in.
CREATE TABLE deletions (
    user_id       BLOB    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    requested_at  BIGINT  NOT NULL,
    due_at        BIGINT  NOT NULL,
    -- An administrator has disabled them, too: they stay so if they change their mind.
    also_disabled BOOLEAN NOT NULL
);
CREATE INDEX deletions_due ON deletions (due_at);
