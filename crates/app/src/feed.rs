//! The feed of revocations for other services: what this node has read of the list, and a bell for those who wait.
//!
//! Filled by following the database alone, never by what this node itself has just committed: only the database
//! gives numbers, and a cursor must hold on every node.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use portcullis_core::revocation::Numbered;
pub use portcullis_core::revocation_log::{Cursor, Part, Published};
use portcullis_core::revocation_log::{RevocationLog, Standing};
use portcullis_core::status_list::StatusIndex;
use portcullis_core::time::Timestamp;
use tokio::sync::watch;

use crate::cx::Cx;
use crate::fault::Fault;

/// Most entries of one answer: some four megabytes of JSON.
pub const MOST: usize = 50_000;

/// The list by number, and who is told when it grows.
pub struct Feed {
    log: RwLock<RevocationLog>,
    grown: watch::Sender<()>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { log: RwLock::default(), grown: watch::Sender::new(()) }
    }
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// The whole list.
    Whole,
    /// The entries after this number.
    After(i64),
    /// Nothing: its cursor is where the list ends.
    Nothing,
}

impl Feed {
    fn read(&self) -> RwLockReadGuard<'_, RevocationLog> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn highest(&self) -> i64 {
        self.read().highest()
    }

    /// Whether `look` shows another list than the one that was followed until now.
    pub(crate) fn contradicts(&self, look: &[Numbered]) -> bool {
        self.read().contradicts(look)
    }

    pub(crate) fn version(&self) -> u64 {
        self.read().version()
    }

    /// The places in status list `list` whose tokens are ended.
    pub(crate) fn ended_in(&self, list: u64) -> Vec<StatusIndex> {
        self.read().ended_in(list)
    }

    pub(crate) fn add(&self, look: &[Numbered], now: Timestamp) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        log.forget_expired(now);
        if log.add(look, now) {
            self.grown.send_replace(());
        }
    }

    pub(crate) fn replace(&self, look: &[Numbered], now: Timestamp) {
        self.log.write().unwrap_or_else(PoisonError::into_inner).replace(look, now);
        self.grown.send_replace(());
    }

    /// A bell that rings when the list grows.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// What a reader is to be given who has been told `news` of this version of the list; `None`: it has changed
    /// since, so ask again.
    pub fn part(&self, version: u64, news: News) -> Option<Part> {
        let log = self.read();
        let after = match news {
            News::Whole => 0,
            News::After(number) => number,
            News::Nothing => return None,
        };
        (log.version() == version).then(|| log.part(after, MOST))
    }

    fn standing(&self, cursor: Option<Cursor>) -> (u64, Standing) {
        let log = self.read();
        (log.version(), cursor.map_or(Standing::Lost, |cursor| log.standing(cursor)))
    }
}

impl Cx {
    /// What there is for a reader at `cursor`, or for one that has none, and in which version of the list.
    ///
    /// # Errors
    /// The database has not been heard of for too long, or cannot be asked about a cursor that is ahead of us.
    pub async fn revocation_news(&self, cursor: Option<Cursor>) -> Result<(u64, News), Fault> {
        self.fresh_for()?;
        let (mut version, mut standing) = self.revoked.feed.standing(cursor);
        if standing == Standing::Ahead {
            // It comes from a node that has read more. To answer with less would take revocations back.
            self.follow_revocations_since(Instant::now()).await?;
            (version, standing) = self.revoked.feed.standing(cursor);
        }
        let news = match standing {
            Standing::UpToDate => News::Nothing,
            Standing::After(number) => News::After(number),
            Standing::Lost | Standing::Ahead => News::Whole,
        };
        Ok((version, news))
    }

    /// For how much longer what this node knows of revocations may be relied on if the database is not heard of.
    ///
    /// # Errors
    /// No longer.
    pub fn fresh_for(&self) -> Result<Duration, Fault> {
        self.settings.max_staleness.checked_sub(self.revoked.staleness()).ok_or(Fault::Stale)
    }
}
