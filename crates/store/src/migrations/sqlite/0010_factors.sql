-- Second factors: what a user has to show beside what they sign in with.

-- A set: 1 is a TOTP app, 2 a passkey. Sessions carry a copy, made by whoever changes it.
ALTER TABLE users ADD COLUMN factors BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN factors BIGINT NOT NULL DEFAULT 0;

-- Of one user at most one that is in use, and one that is being set up.
CREATE TABLE totp_factors (
    id            BLOB   NOT NULL PRIMARY KEY,
    user_id       BLOB   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sealed_secret BLOB   NOT NULL,
    seal_key_id   BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    -- Until then it counts for nothing.
    confirmed_at  BIGINT,
    -- The step of the last code that was taken: no code of it or before it is taken again.
    last_step     BIGINT NOT NULL,
    last_used_at  BIGINT
);
CREATE UNIQUE INDEX totp_factors_used ON totp_factors (user_id) WHERE confirmed_at IS NOT NULL;
CREATE UNIQUE INDEX totp_factors_new ON totp_factors (user_id) WHERE confirmed_at IS NULL;
CREATE INDEX totp_factors_key ON totp_factors (seal_key_id);

-- What is left of a user's codes. Using one deletes it.
CREATE TABLE recovery_codes (
    user_id   BLOB   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BLOB   NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- Sign-ins that still owe a factor. Showing it deletes the row.
CREATE TABLE login_challenges (
    challenge_hash BLOB   NOT NULL PRIMARY KEY,
    user_id        BLOB   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- As read before the first proof: a change in between ends the challenge.
    epoch          BIGINT NOT NULL,
    -- What was shown so far, as `amr` has it.
    methods        TEXT   NOT NULL,
    audiences      TEXT   NOT NULL,
    delivery       TEXT   NOT NULL,
    -- The device, if it has signed in to this user before.
    device_id      BLOB  ,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX login_challenges_expires ON login_challenges (expires_at);
CREATE INDEX login_challenges_user ON login_challenges (user_id);

-- Devices on which no second factor is asked for, while the credential epoch is the one they were trusted in.
CREATE TABLE trusted_devices (
    user_id    BLOB   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id  BLOB   NOT NULL,
    epoch      BIGINT NOT NULL,
    device     TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id)
);
CREATE INDEX trusted_devices_expires ON trusted_devices (expires_at);
