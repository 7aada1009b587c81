//! The revocations that this node knows of: in memory, so that nobody is asked per request.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use portcullis_core::revocation::{Revocation, RevocationList, SLACK};
use portcullis_core::time::Timestamp;
use portcullis_store::revocations::Span;
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;

/// Each look reads again what was appended in this time, in case it was passed over.
const OVERLAP: Duration = Duration::from_mins(1);

/// Followed from the store.
pub struct Revoked {
    list: RwLock<RevocationList>,
    /// Highest number seen.
    cursor: Mutex<i64>,
    /// When the store was last heard of, by a clock that nobody sets.
    contact: RwLock<Instant>,
}

impl Default for Revoked {
    fn default() -> Self {
        Self { list: RwLock::default(), cursor: Mutex::new(0), contact: RwLock::new(Instant::now()) }
    }
}

impl Revoked {
    /// Whether tokens of `session` and `generation` are ended.
    pub(crate) fn revokes(&self, session: Uuid, generation: u64) -> bool {
        self.list.read().unwrap_or_else(PoisonError::into_inner).revokes(session, generation)
    }

    /// How long ago the store was last heard of.
    pub fn staleness(&self) -> Duration {
        self.contact.read().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.list.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&self, entries: impl IntoIterator<Item = Revocation>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        entries.into_iter().for_each(|entry| list.add(entry));
    }

    pub(crate) fn forget(&self, now: Timestamp) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).forget_expired(now);
    }
}

impl Cx {
    /// From now until the last token that is out has expired.
    pub(crate) fn span(&self) -> Span {
        let now = self.clock.now();
        Span { now, expires_at: now + self.longest_lifetime() + SLACK }
    }

    /// Ends the tokens of `sessions` on this node, after the commit that ended them everywhere.
    pub(crate) fn revoke_here(&self, sessions: &[Uuid], span: Span) {
        let entry =
            |session: &Uuid| Revocation { session: *session, upto: None, expires_at: span.expires_at };
        self.revoked.add(sessions.iter().map(entry));
    }

    /// Ends the tokens of `session` up to a generation on this node, after the commit that did so everywhere.
    pub(crate) fn revoke_here_upto(&self, session: Uuid, upto: u32, span: Span) {
        self.revoked.add([Revocation { session, upto: Some(upto), expires_at: span.expires_at }]);
    }

    /// Reads what has been appended since the last look.
    pub async fn follow_revocations(&self) -> Result<(), Fault> {
        let begun = Instant::now();
        let after = *self.revoked.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let (highest, entries) = self.store.revocations(after, now - OVERLAP, now).await?;
        self.revoked.add(entries);
        let mut cursor = self.revoked.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        *cursor = highest.max(*cursor);
        // What was read is as old as the question, not as the answer.
        *self.revoked.contact.write().unwrap_or_else(PoisonError::into_inner) = begun;
        Ok(())
    }
}
