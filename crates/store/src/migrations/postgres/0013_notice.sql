-- A link that ends a sign-in has its session as subject, so that each sign-in has one: here is whose it is.
ALTER TABLE links ADD COLUMN user_id UUID REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX links_user ON links (user_id) WHERE user_id IS NOT NULL;

-- By which what tells of somebody who is gone is found, beside audit_events_user: most events have one person in them.
CREATE INDEX audit_events_actor ON audit_events (actor_id)
    WHERE actor_id IS NOT NULL AND (user_id IS NULL OR user_id <> actor_id);
