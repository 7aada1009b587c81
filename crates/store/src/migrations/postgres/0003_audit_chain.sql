-- The chain over the audit log: written behind the facts, in an order of its own.

-- Digests, salts: five each, of user, actor, session, address and detail. What was erased has lost its salt.
CREATE TABLE audit_chain (
    seq           BIGINT NOT NULL PRIMARY KEY,
    event_id      UUID   NOT NULL UNIQUE,
    at            BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    digests       BYTEA  NOT NULL,
    salts         BYTEA  NOT NULL,
    hash          BYTEA  NOT NULL,
    key_id        BIGINT NOT NULL,
    mac           BYTEA  NOT NULL,
    erased        BIGINT NOT NULL,
    erased_key_id BIGINT,
    erased_mac    BYTEA
);
CREATE INDEX audit_chain_erased ON audit_chain (erased_key_id) WHERE erased_key_id IS NOT NULL;

-- One row: behind which entry the chain begins. Retention moves it.
CREATE TABLE audit_start (
    id     BIGINT NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL,
    hash   BYTEA  NOT NULL,
    key_id BIGINT,
    mac    BYTEA
);
INSERT INTO audit_start (id, seq, hash) VALUES (1, 0, decode('0000000000000000000000000000000000000000000000000000000000000000', 'hex'));

CREATE TABLE audit_checkpoints (
    id     UUID   NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL UNIQUE,
    hash   BYTEA  NOT NULL,
    at     BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    mac    BYTEA  NOT NULL
);

-- Users who are gone (under a MAC), and how far the walk over their events has come.
CREATE TABLE audit_erasures (
    user_id  UUID   NOT NULL PRIMARY KEY,
    asked_at BIGINT NOT NULL,
    after_id UUID   NOT NULL,
    key_id   BIGINT NOT NULL,
    mac      BYTEA  NOT NULL
);
