//! The list of revocations of the last access lifetime. An entry names a session and a generation, never a
//! time: no clock decides. Entries older than the longest access token expire by themselves.

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use crate::status_list::StatusIndex;
use crate::time::Timestamp;

/// How much longer than an access token its revocation is kept: the largest leeway of a verifier and more.
pub const SLACK: Duration = Duration::from_mins(2);

/// Ends access tokens of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The `sid` of the tokens.
    pub session: Uuid,
    /// Only tokens up to this generation; `None` ends all.
    pub upto: Option<u32>,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// A revocation with its place in the list of its database: numbers follow commit order and never come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its number, from 1.
    pub number: i64,
    /// What it ends.
    pub revocation: Revocation,
    /// The place in the status lists of the tokens that it ends, if they have one.
    pub status_index: Option<StatusIndex>,
}

/// All revocations that can still matter, by session.
#[derive(Debug, Default)]
pub struct RevocationList {
    entries: HashMap<Uuid, (Option<u32>, Timestamp)>,
}

impl RevocationList {
    /// Adds `entry`. Of two for one session the wider counts; adding one twice changes nothing.
    pub fn add(&mut self, entry: Revocation) {
        let slot = self.entries.entry(entry.session).or_insert((entry.upto, entry.expires_at));
        slot.0 = match (slot.0, entry.upto) {
            (Some(known), Some(new)) => Some(known.max(new)),
            _ => None,
        };
        slot.1 = slot.1.max(entry.expires_at);
    }

    /// Whether a token of `session` and `generation` is revoked.
    pub fn revokes(&self, session: Uuid, generation: u64) -> bool {
        match self.entries.get(&session) {
            None => false,
            Some((None, _)) => true,
            Some((Some(upto), _)) => generation <= u64::from(*upto),
        }
    }

    /// Drops entries whose tokens have all expired.
    pub fn forget_expired(&mut self, now: Timestamp) {
        self.entries.retain(|_, (_, expires_at)| *expires_at > now);
        if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to_fit();
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Uuid = Uuid::from_u128(1);

    fn list(entries: &[Option<u32>]) -> RevocationList {
        let mut list = RevocationList::default();
        for upto in entries {
            list.add(Revocation { session: SESSION, upto: *upto, expires_at: Timestamp::from_seconds(100) });
        }
        list
    }

    #[test]
    fn the_wider_entry_counts_in_any_order() {
        assert!(!list(&[]).revokes(SESSION, 1));
        assert!(list(&[Some(3)]).revokes(SESSION, 3));
        assert!(!list(&[Some(3)]).revokes(SESSION, 4));
        assert!(list(&[Some(5), Some(3)]).revokes(SESSION, 5));
        assert!(list(&[Some(3), None]).revokes(SESSION, 9));
        assert!(list(&[None, Some(3)]).revokes(SESSION, 9));
        assert!(!list(&[None]).revokes(Uuid::from_u128(2), 1));
    }

    #[test]
    fn entries_are_forgotten_when_they_expire() {
        let mut list = list(&[None]);
        list.forget_expired(Timestamp::from_seconds(99));
        assert_eq!(list.len(), 1);
        list.forget_expired(Timestamp::from_seconds(100));
        assert!(list.is_empty());
    }
}
