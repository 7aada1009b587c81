-- Passkeys (WebAuthn): public keys, by which users sign in and show a second factor.
CREATE TABLE passkeys (
    id            UUID    NOT NULL PRIMARY KEY,
    user_id       UUID    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- What the authenticator calls it: no two users have the same.
    credential_id BYTEA   NOT NULL UNIQUE,
    -- The public key and what else the next signature is held against, as JSON.
    credential    TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    sign_count    BIGINT  NOT NULL,
    backed_up     BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    last_used_at  BIGINT
);
CREATE INDEX passkeys_user ON passkeys (user_id, id);

-- Registrations and sign-ins that have begun. Whoever ends one deletes its row: each is good for once.
CREATE TABLE passkey_ceremonies (
    -- SHA-256 of the secret that only the browser has in which it began.
    digest     BYTEA  NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    -- Whose passkey it must be, and the session that registers one.
    user_id    UUID   REFERENCES users (id) ON DELETE CASCADE,
    session_id UUID  ,
    -- The challenge, and what else the answer is held against, as JSON.
    state      TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX passkey_ceremonies_expiry ON passkey_ceremonies (expires_at);
