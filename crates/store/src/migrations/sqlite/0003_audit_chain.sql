-- The chain over the audit log: written behind the facts, in an order of its own.

-- Digests, salts: five each, of user, actor, session, address and detail. What was erased has lost its salt.
CREATE TABLE audit_chain (
    seq           BIGINT NOT NULL PRIMARY KEY,
    event_id      BLOB   NOT NULL UNIQUE,
    at            BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    digests       BLOB   NOT NULL,
    salts         BLOB   NOT NULL,
    hash          BLOB   NOT NULL,
    key_id        BIGINT NOT NULL,
    mac           BLOB   NOT NULL,
    erased        BIGINT NOT NULL,
    erased_key_id BIGINT,
    erased_mac    BLOB
);
CREATE INDEX audit_chain_erased ON audit_chain (erased_key_id) WHERE erased_key_id IS NOT NULL;

-- One row: behind which entry the chain begins. Retention moves it.
CREATE TABLE audit_start (
    id     BIGINT NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL,
    hash   BLOB   NOT NULL,
    key_id BIGINT,
    mac    BLOB
);
INSERT INTO audit_start (id, seq, hash) VALUES (1, 0, X'0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE audit_checkpoints (
    id     BLOB   NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL UNIQUE,
    hash   BLOB   NOT NULL,
    at     BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    mac    BLOB   NOT NULL
);

-- Users who are gone (under a MAC), and how far the walk over their events has come.
CREATE TABLE audit_erasures (
    user_id  BLOB   NOT NULL PRIMARY KEY,
    asked_at BIGINT NOT NULL,
    after_id BLOB   NOT NULL,
    key_id   BIGINT NOT NULL,
    mac      BLOB   NOT NULL
);
