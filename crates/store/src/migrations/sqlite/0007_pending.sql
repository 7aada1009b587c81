-- Registrations whose address has not been shown to be theirs yet. Any number for one address: the first to show it wins.
CREATE TABLE pending_registrations (
    id            BLOB NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL,
    name          TEXT,
    username      TEXT,
    username_key  TEXT,
    password_hash TEXT NOT NULL,
    -- SHA-256 of what the browser that registered holds.
    browser_hash  BLOB NOT NULL,
    invite_id     BLOB,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX pending_registrations_email ON pending_registrations (email_key, id);
CREATE INDEX pending_registrations_expires ON pending_registrations (expires_at);
