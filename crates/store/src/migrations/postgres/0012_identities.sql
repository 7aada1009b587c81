-- Who users are elsewhere, and sign-ins by way of other providers that are under way.

-- One row a person at a provider. Who it is there is `subject`, never an address: addresses change hands.
CREATE TABLE identities (
    id           UUID   NOT NULL PRIMARY KEY,
    provider     TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    user_id      UUID   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- As the provider last told it; says nothing about who it is.
    email        TEXT,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    UNIQUE (provider, subject)
);
CREATE INDEX identities_user ON identities (user_id);

-- A way to a provider and back. Taken away by whoever comes back: of two one does.
CREATE TABLE oauth_flows (
    -- SHA-256 of `state`.
    state_hash   BYTEA   NOT NULL PRIMARY KEY,
    provider     TEXT    NOT NULL,
    purpose      TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    return_to    TEXT,
    -- How the tokens travel, if that was said at the start.
    delivery     TEXT,
    -- SHA-256 of what whoever began it holds: in a cookie, or in the answer to an app.
    secret_hash  BYTEA   NOT NULL,
    in_browser   BOOLEAN NOT NULL,
    -- The server key that nonce and PKCE verifier are derived under, and `sealed_invites` is sealed under.
    key_id       BIGINT  NOT NULL,
    sealed_invites BYTEA,
    -- The provider is asked to have the person sign in anew.
    fresh        BOOLEAN NOT NULL,
    -- Of linking: whose, in which session, and what proved them then.
    user_id      UUID    REFERENCES users (id) ON DELETE CASCADE,
    session_id   UUID,
    epoch        BIGINT,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL
);
CREATE INDEX oauth_flows_expires ON oauth_flows (expires_at);
CREATE INDEX oauth_flows_user ON oauth_flows (user_id) WHERE user_id IS NOT NULL;

-- Of a registration by way of a provider: who it is there.
ALTER TABLE pending_registrations ADD COLUMN provider TEXT;
ALTER TABLE pending_registrations ADD COLUMN subject TEXT;
