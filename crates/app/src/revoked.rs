//! The revocations that this node knows of: in memory, so that nobody is asked per request.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use portcullis_core::revocation::{Revocation, RevocationList, SLACK};
use portcullis_core::time::Timestamp;
use portcullis_store::revocations::Span;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::feed::Feed;

/// A wide look reads again what was appended in this time, in case it was passed over.
const OVERLAP: Duration = Duration::from_mins(1);
/// How often a look is wide. All would be too many where sessions end all the time.
const WIDE: Duration = Duration::from_secs(1);

/// Followed from the store.
pub struct Revoked {
    list: RwLock<RevocationList>,
    /// The same for other services.
    pub feed: Feed,
    /// Held while somebody looks, so that no look is taken for older or newer than it is. When the next one is
    /// to be wide.
    looking: Mutex<Option<Instant>>,
    /// When the store was last heard of, by a clock that nobody sets.
    contact: RwLock<Instant>,
}

impl Default for Revoked {
    fn default() -> Self {
        Self {
            list: RwLock::default(),
            feed: Feed::default(),
            looking: Mutex::default(),
            contact: RwLock::new(Instant::now()),
        }
    }
}

impl Revoked {
    /// Whether tokens of `session` and `generation` are ended.
    pub(crate) fn revokes(&self, session: Uuid, generation: u64) -> bool {
        self.list.read().unwrap_or_else(PoisonError::into_inner).revokes(session, generation)
    }

    /// How long ago the store was last heard of.
    pub fn staleness(&self) -> Duration {
        self.contact().elapsed()
    }

    fn contact(&self) -> Instant {
        *self.contact.read().unwrap_or_else(PoisonError::into_inner)
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
        self.store.nudge();
    }

    /// Ends the tokens of `session` up to a generation on this node, after the commit that did so everywhere.
    pub(crate) fn revoke_here_upto(&self, session: Uuid, upto: u32, span: Span) {
        self.revoked.add([Revocation { session, upto: Some(upto), expires_at: span.expires_at }]);
        self.store.nudge();
    }

    /// Reads what has been appended since the last look.
    pub async fn follow_revocations(&self) -> Result<(), Fault> {
        self.follow_revocations_since(Instant::now()).await
    }

    /// The same, unless somebody else has begun to look after `since`: then it is enough that they are done.
    pub(crate) async fn follow_revocations_since(&self, since: Instant) -> Result<(), Fault> {
        let mut next_wide = self.revoked.looking.lock().await;
        if self.revoked.contact() > since {
            return Ok(());
        }
        let begun = Instant::now();
        let now = self.clock.now();
        let wide = next_wide.is_none_or(|next| next <= begun);
        let again = if wide { now - OVERLAP } else { Timestamp::FAR_FUTURE };
        let feed = &self.revoked.feed;
        let mut look = self.store.revocations(feed.highest(), again, now).await?;
        let set_back = feed.contradicts(&look);
        if set_back {
            tracing::warn!("the list of revocations is not the one it was: was the database set back?");
            look = self.store.revocations(0, Timestamp::FAR_FUTURE, now).await?;
        }
        // The end of the list may have expired.
        let live = look.iter().map(|entry| entry.revocation).filter(|entry| entry.expires_at > now);
        self.revoked.add(live);
        if set_back {
            feed.replace(&look, now);
        } else {
            feed.add(&look, now);
        }
        if wide {
            *next_wide = Some(begun + WIDE);
        }
        // What was read is as old as the question, not as the answer.
        *self.revoked.contact.write().unwrap_or_else(PoisonError::into_inner) = begun;
        Ok(())
    }
}
