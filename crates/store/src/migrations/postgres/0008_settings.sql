-- Settings that were changed at run time: each row overrides the configuration, on every node.
CREATE TABLE runtime_settings (
    name       TEXT   NOT NULL PRIMARY KEY,
    -- JSON.
    value      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    -- None: an operator, on the command line.
    updated_by UUID
);
