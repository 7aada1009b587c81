-- Codes that let somebody register (no account), or join an account. The code itself is derived, never stored.
CREATE TABLE invites (
    id           BLOB   NOT NULL PRIMARY KEY,
    code_hash    BLOB   NOT NULL UNIQUE,
    -- The few characters of the code that may be shown, and the server key that it is derived under.
    shown        TEXT   NOT NULL,
    key_id       BIGINT NOT NULL,
    email        TEXT,
    email_key    TEXT,
    account_id   BLOB   REFERENCES accounts (id) ON DELETE CASCADE,
    account_role TEXT,
    plan         TEXT,
    trial_days   BIGINT,
    uses         BIGINT NOT NULL,
    used         BIGINT NOT NULL,
    created_by   BLOB  ,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX invites_account ON invites (account_id, id) WHERE account_id IS NOT NULL;

-- Who has used an invite.
CREATE TABLE invite_uses (
    invite_id BLOB   NOT NULL REFERENCES invites (id) ON DELETE CASCADE,
    user_id   BLOB   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    used_at   BIGINT NOT NULL,
    PRIMARY KEY (invite_id, user_id)
);
CREATE INDEX invite_uses_user ON invite_uses (user_id);
