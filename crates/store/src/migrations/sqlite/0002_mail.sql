-- What is to be mailed, and the links in it. No link is stored: it is derived when the mail is made.

-- Written in the transaction of the fact, sent behind it.
CREATE TABLE outbox (
    id              BLOB   NOT NULL PRIMARY KEY,
    template        TEXT   NOT NULL,
    recipient       TEXT   NOT NULL,
    user_id         BLOB   REFERENCES users (id) ON DELETE CASCADE,
    locale          TEXT,
    parameters      TEXT   NOT NULL,
    -- What the link is derived from; none: a mail without a link.
    link_id         BLOB,
    link_subject    BLOB,
    link_epoch      BIGINT,
    link_key_id     BIGINT,
    created_at      BIGINT NOT NULL,
    -- Nobody needs it after this.
    expires_at      BIGINT,
    -- Afterwards it is tried no more.
    give_up_at      BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Who is sending it; after `claimed_until` anybody else may.
    claimed_by      TEXT,
    claimed_until   BIGINT,
    -- Without a mail server: when the log said so.
    kept_at         BIGINT,
    sent_at         BIGINT,
    failed_at       BIGINT,
    last_error      TEXT
);
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX outbox_user ON outbox (user_id) WHERE user_id IS NOT NULL;

-- An address that somebody gave where the answer must not tell whether it is known: looked up behind the answer.
CREATE TABLE mail_requests (
    id         BLOB   NOT NULL PRIMARY KEY,
    purpose    TEXT   NOT NULL,
    email      TEXT   NOT NULL,
    email_key  TEXT   NOT NULL,
    -- Of a change of address: whose, and in which session they asked.
    user_id    BLOB   REFERENCES users (id) ON DELETE CASCADE,
    session_id BLOB,
    epoch      BIGINT,
    -- Of a registration: which.
    pending_id BLOB,
    created_at BIGINT NOT NULL
);

-- What mailed links are about. One of each purpose: a newer one takes the place of the older, using it takes it away.
CREATE TABLE links (
    -- A user, or a pending registration.
    subject    BLOB   NOT NULL,
    purpose    TEXT   NOT NULL,
    id         BLOB   NOT NULL UNIQUE,
    email      TEXT   NOT NULL,
    email_key  TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    -- Of a change of address: the session that asked, which goes on.
    session_id BLOB,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (subject, purpose)
);
