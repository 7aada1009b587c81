-- Messages that are to be sent, one row for each endpoint; gone when they have arrived.
CREATE TABLE webhook_deliveries (
    -- The event, or the checkpoint: what the message is about, and its webhook-id.
    message_id BLOB    NOT NULL,
    endpoint   TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    -- Tries count from here.
    since      BIGINT  NOT NULL,
    tries      BIGINT  NOT NULL,
    -- When it is due; of a message that is being sent, when it is anybody's again; NULL: it waits for an operator.
    due_at     BIGINT,
    last_error TEXT,
    PRIMARY KEY (message_id, endpoint)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, due_at);
