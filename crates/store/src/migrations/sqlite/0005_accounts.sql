-- What an account has subscribed to. No row: nothing.
CREATE TABLE subscriptions (
    account_id BLOB   NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    plan       TEXT   NOT NULL,
    -- As it was set: `trialing`, `active`, `past_due`, `canceled`. Whether it has expired follows from the time.
    phase      TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at    BIGINT
);
