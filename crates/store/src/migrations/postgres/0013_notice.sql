-- A link that ends a sign-in has its session as subject, so that each sign-in has one: here is whose it is.
ALTER TABLE links ADD COLUMN user_id UUID REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX links_user ON links (user_id) WHERE user_id IS NOT NULL;
