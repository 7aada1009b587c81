-- Users, accounts, sessions, revocations, keys, limits, audit.
-- Times are microseconds since the Unix epoch, given by the caller. Ids are UUIDv7.

CREATE TABLE users (
    id                   UUID    NOT NULL PRIMARY KEY,
    email                TEXT    NOT NULL,
    email_key            TEXT    NOT NULL UNIQUE,
    email_verified_at    BIGINT,
    username             TEXT,
    username_key         TEXT    UNIQUE,
    name                 TEXT,
    phone                TEXT,
    job_title            TEXT,
    timezone             TEXT,
    locale               TEXT,
    role                 TEXT    NOT NULL,
    account_id           UUID,
    account_role         TEXT,
    password_hash        TEXT,
    must_change_password BOOLEAN NOT NULL,
    credential_epoch     BIGINT  NOT NULL,
    version              BIGINT  NOT NULL,
    disabled_at          BIGINT,
    created_at           BIGINT  NOT NULL,
    updated_at           BIGINT  NOT NULL,
    last_login_at        BIGINT,
    -- Of a bot: who it belongs to.
    owner_id             UUID    REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX users_owner ON users (owner_id) WHERE owner_id IS NOT NULL;

CREATE TABLE accounts (
    id           UUID   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    display_code TEXT   NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL
);

CREATE TABLE memberships (
    user_id    UUID   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    account_id UUID   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, account_id)
);
CREATE INDEX memberships_account ON memberships (account_id);

-- One row a session. Rotation changes the row in place and touches no index.
CREATE TABLE sessions (
    id                   UUID    NOT NULL PRIMARY KEY,
    user_id              UUID    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash          BYTEA   NOT NULL,
    generation           BIGINT  NOT NULL,
    key_id               BIGINT  NOT NULL,
    rotated_at           BIGINT  NOT NULL,
    idle_ends_at         BIGINT  NOT NULL,
    ends_at              BIGINT  NOT NULL,
    window_at            BIGINT  NOT NULL,
    window_count         BIGINT  NOT NULL,
    role                 TEXT    NOT NULL,
    account_id           UUID,
    account_role         TEXT,
    must_change_password BOOLEAN NOT NULL,
    methods              TEXT    NOT NULL,
    authenticated_at     BIGINT  NOT NULL,
    delivery             TEXT    NOT NULL,
    device               TEXT    NOT NULL,
    address              TEXT    NOT NULL,
    created_at           BIGINT  NOT NULL,
    ended_at             BIGINT,
    end_cause            TEXT,
    -- Who really acts, if it is not the user, and from which session.
    acting               TEXT,
    actor_id             UUID,
    actor_session_id     UUID,
    -- Its place in the status lists now; none where they were off when it was made.
    status_index         BIGINT
) WITH (fillfactor = 70);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_actor ON sessions (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX sessions_actor_session ON sessions (actor_session_id) WHERE actor_session_id IS NOT NULL;

-- Where places in the status lists come from: numbers that grow and never come again. The highest of a session is
-- its place now. No foreign key: what ends a session asks for its place, also after the row is gone.
CREATE TABLE status_indexes (
    idx        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id UUID NOT NULL
);
CREATE INDEX status_indexes_session ON status_indexes (session_id, idx);

CREATE TABLE api_tokens (
    id           UUID   NOT NULL PRIMARY KEY,
    user_id      UUID   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash   BYTEA  NOT NULL UNIQUE,
    key_prefix   TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    description  TEXT,
    scopes       TEXT,
    -- Goes up whenever tokens exchanged for it must be made anew.
    generation   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    last_address TEXT,
    revoked_at   BIGINT
);
CREATE INDEX api_tokens_user ON api_tokens (user_id, id);

CREATE TABLE service_clients (
    id          UUID   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    secret_hash BYTEA  NOT NULL,
    grant_types TEXT   NOT NULL,
    scopes      TEXT   NOT NULL,
    audiences   TEXT,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);

CREATE TABLE revocations (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id   UUID   NOT NULL,
    upto         BIGINT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    -- The place in the status lists of the tokens that it ends, if they have one.
    status_index BIGINT
);
CREATE INDEX revocations_created ON revocations (created_at);

CREATE TABLE signing_keys (
    kid            TEXT   NOT NULL PRIMARY KEY,
    algorithm      TEXT   NOT NULL,
    public_jwk     TEXT,
    sealed_private BYTEA  NOT NULL,
    seal_key_id    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    activates_at   BIGINT NOT NULL,
    retired_at     BIGINT
);

-- The longest access token that any node of this database has ever made: for so long its end must be known.
CREATE TABLE lifetimes (
    name   TEXT   NOT NULL PRIMARY KEY,
    micros BIGINT NOT NULL
);

CREATE TABLE server_keys (
    key_id      BIGINT NOT NULL PRIMARY KEY,
    check_value BYTEA  NOT NULL,
    created_at  BIGINT NOT NULL
);

-- At most one row.
CREATE TABLE set_up (
    id           BIGINT NOT NULL PRIMARY KEY,
    link_id      BYTEA,
    link_hash    BYTEA,
    key_id       BIGINT,
    expires_at   BIGINT,
    completed_at BIGINT
);

-- May be lost: limits start afresh.
CREATE UNLOGGED TABLE rate_limits (
    key     BYTEA  NOT NULL PRIMARY KEY,
    full_at BIGINT NOT NULL
);

-- Outlives a crash: wrong passwords stay counted.
CREATE TABLE slow_downs (
    key        BYTEA  NOT NULL PRIMARY KEY,
    attempts   BIGINT NOT NULL,
    opens_at   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE audit_events (
    id         UUID   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    actor_id   UUID,
    user_id    UUID,
    session_id UUID,
    address    TEXT,
    detail     TEXT   NOT NULL
);
CREATE INDEX audit_events_user ON audit_events (user_id, at);
