//! The list of revocations as other services are told of it: in the order of its numbers, with session ids hashed.
//!
//! A reader holds a [`Cursor`]: the number of the last entry it knows, and a mark that is computed from that
//! entry. The same database gives the same cursor on every node, another one – restored, failed over, exchanged –
//! does not, so nobody takes a place in one list for a place in another.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use crate::revocation::{Numbered, Revocation};
use crate::status_list::StatusIndex;
use crate::time::Timestamp;

/// A place in the list: behind everything up to one entry. The default one is before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Cursor {
    number: i64,
    mark: u64,
}

impl Cursor {
    /// Before everything: also where an empty list ends.
    pub const START: Self = Self { number: 0, mark: 0 };

    fn of(entry: &Numbered) -> Self {
        let Revocation { session, upto, expires_at } = entry.revocation;
        let mut bytes = Vec::with_capacity(40);
        bytes.extend_from_slice(&entry.number.to_be_bytes());
        bytes.extend_from_slice(session.as_bytes());
        bytes.extend_from_slice(&upto.map_or(-1, i64::from).to_be_bytes());
        bytes.extend_from_slice(&expires_at.micros().to_be_bytes());
        let hash = digest(&SHA256, &bytes);
        let mark = hash.as_ref().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte));
        Self { number: entry.number, mark }
    }
}

/// `<number>-<16 hexadecimal digits>`; to readers it is opaque.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.mark)
    }
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (number, mark) = text.split_once('-').ok_or(NoCursor)?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if mark.len() != 16 || !plain(number) || !plain(mark) {
            return Err(NoCursor);
        }
        let number = number.parse().map_err(|_| NoCursor)?;
        Ok(Self { number, mark: u64::from_str_radix(mark, 16).map_err(|_| NoCursor)? })
    }
}

/// One entry, as it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// SHA-256 of the `sid` as it stands in the token, in text.
    pub id: [u8; 32],
    /// Only tokens up to this generation; `None` ends all.
    pub upto: Option<u32>,
    /// When it may be forgotten, in seconds, rounded up.
    pub exp: i64,
}

impl Published {
    fn of(revocation: &Revocation) -> Self {
        let exp = Timestamp::from_micros(revocation.expires_at.micros().saturating_add(999_999)).seconds();
        Self { id: hashed_id(revocation.session), upto: revocation.upto, exp }
    }
}

/// SHA-256 of a `sid` in text.
pub fn hashed_id(session: Uuid) -> [u8; 32] {
    let text = &mut [0; uuid::fmt::Hyphenated::LENGTH];
    let text = session.hyphenated().encode_lower(text);
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    id
}

/// What a reader with a cursor is to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The entries after this number.
    After(i64),
    /// Nothing: it knows everything.
    UpToDate,
    /// The whole list: its cursor is none of this list, or its place in it is forgotten.
    Lost,
    /// More than we know: we are behind, or the database was set back.
    Ahead,
}

/// A part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// In the order of their numbers.
    pub entries: Vec<Published>,
    /// Where it ends.
    pub cursor: Cursor,
    /// There is more behind it, now.
    pub more: bool,
}

struct Kept {
    published: Published,
    status_index: Option<StatusIndex>,
    mark: u64,
    expires_at: Timestamp,
}

/// All entries that can still matter, by number.
#[derive(Default)]
pub struct RevocationLog {
    entries: BTreeMap<i64, Kept>,
    head: Cursor,
    version: u64,
}

impl RevocationLog {
    /// Where the list ends. An expired last entry is still its end.
    pub const fn head(&self) -> Cursor {
        self.head
    }

    /// Another value after every change of what is published.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The highest number known.
    pub const fn highest(&self) -> i64 {
        self.head.number
    }

    /// Whether `look`, a look at the database that has its last entry in it, is one at another list than this: at
    /// a database that was set back, or exchanged. Then [`Self::replace`].
    pub fn contradicts(&self, look: &[Numbered]) -> bool {
        let set_back = look.last().map_or(0, |last| last.number) < self.head.number;
        set_back
            || look
                .iter()
                .any(|entry| self.mark(entry.number).is_some_and(|mark| mark != Cursor::of(entry).mark))
    }

    fn mark(&self, number: i64) -> Option<u64> {
        if number == self.head.number {
            return Some(self.head.mark);
        }
        self.entries.get(&number).map(|kept| kept.mark)
    }

    /// Adds what is new in `look`; whether anything was.
    pub fn add(&mut self, look: &[Numbered], now: Timestamp) -> bool {
        let before = (self.head, self.entries.len());
        for entry in look {
            let expires_at = entry.revocation.expires_at;
            let known = entry.number == self.head.number || self.entries.contains_key(&entry.number);
            if known {
                continue;
            }
            let cursor = Cursor::of(entry);
            if entry.number > self.head.number {
                self.head = cursor;
            }
            if expires_at > now {
                let published = Published::of(&entry.revocation);
                let (mark, status_index) = (cursor.mark, entry.status_index);
                self.entries.insert(entry.number, Kept { published, status_index, mark, expires_at });
            }
        }
        let changed = before != (self.head, self.entries.len());
        self.version += u64::from(changed);
        changed
    }

    /// Forgets all and takes `look`, a look at the whole list.
    pub fn replace(&mut self, look: &[Numbered], now: Timestamp) {
        self.entries.clear();
        self.head = Cursor::START;
        self.version += 1;
        self.add(look, now);
    }

    /// Drops entries whose tokens have all expired.
    pub fn forget_expired(&mut self, now: Timestamp) {
        // They expire about in the order of their numbers: no need to look at all of them every time.
        if self.entries.first_key_value().is_some_and(|(_, first)| first.expires_at <= now) {
            self.entries.retain(|_, kept| kept.expires_at > now);
            self.version += 1;
        }
    }

    /// What a reader at `cursor` is to be given.
    pub fn standing(&self, cursor: Cursor) -> Standing {
        if cursor == self.head {
            Standing::UpToDate
        } else if cursor.number > self.head.number {
            Standing::Ahead
        } else if cursor == Cursor::START || self.mark(cursor.number) == Some(cursor.mark) {
            Standing::After(cursor.number)
        } else {
            Standing::Lost
        }
    }

    /// The places in status list `list` whose tokens are ended.
    pub fn ended_in(&self, list: u64) -> Vec<StatusIndex> {
        let places = self.entries.values().filter_map(|kept| kept.status_index);
        places.filter(|place| place.list() == list).collect()
    }

    /// At most `most` entries after number `after`; 0: from the beginning.
    pub fn part(&self, after: i64, most: usize) -> Part {
        let mut following = self.entries.range(after.saturating_add(1)..);
        let mut entries = Vec::with_capacity(most.min(self.entries.len()));
        let mut last = Cursor::START;
        for (number, kept) in following.by_ref().take(most) {
            last = Cursor { number: *number, mark: kept.mark };
            entries.push(kept.published);
        }
        let more = following.next().is_some();
        Part { entries, cursor: if more { last } else { self.head }, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(0);

    fn entry(number: i64, session: u128) -> Numbered {
        let expires_at = Timestamp::from_seconds(100 + number);
        Numbered {
            number,
            revocation: Revocation { session: Uuid::from_u128(session), upto: None, expires_at },
            status_index: StatusIndex::from_stored(number << 19),
        }
    }

    fn log(numbers: &[i64]) -> RevocationLog {
        let mut log = RevocationLog::default();
        let look: Vec<_> = numbers.iter().map(|number| entry(*number, *number as u128)).collect();
        log.add(&look, NOW);
        log
    }

    fn ids(part: &Part) -> Vec<[u8; 32]> {
        part.entries.iter().map(|entry| entry.id).collect()
    }

    fn hashed(sessions: &[u128]) -> Vec<[u8; 32]> {
        sessions.iter().map(|session| hashed_id(Uuid::from_u128(*session))).collect()
    }

    #[test]
    fn ids_are_hashed_as_they_stand_in_tokens() {
        let id = "0190163d-8694-739b-aea5-966c26f8ad90";
        let expected = digest(&SHA256, id.as_bytes());
        assert_eq!(hashed_id(id.parse().expect("an id")), expected.as_ref());
    }

    #[test]
    fn an_entry_stands_once_however_often_it_is_read() {
        let mut log = log(&[1, 2]);
        let version = log.version();
        assert!(!log.add(&[entry(1, 1), entry(2, 2)], NOW));
        assert_eq!(log.version(), version);
        assert!(log.add(&[entry(2, 2), entry(3, 3)], NOW));
        assert_eq!(ids(&log.part(0, 9)), hashed(&[1, 2, 3]));
        assert_ne!(log.version(), version);
    }

    #[test]
    fn readers_get_what_they_lack() {
        let log = log(&[1, 2, 4]);
        let at = |number: i64| Cursor::of(&entry(number, number as u128));
        assert_eq!(log.standing(Cursor::START), Standing::After(0));
        assert_eq!(log.standing(at(2)), Standing::After(2));
        assert_eq!(log.standing(at(4)), Standing::UpToDate);
        assert_eq!(log.standing(at(5)), Standing::Ahead);
        assert_eq!(log.standing(at(3)), Standing::Lost, "there is none of this number");
        assert_eq!(log.standing(Cursor::of(&entry(2, 7))), Standing::Lost, "there is another of this number");
        assert_eq!(log.standing(Cursor::of(&entry(4, 7))), Standing::Lost);
        assert_eq!(RevocationLog::default().standing(Cursor::START), Standing::UpToDate);
        let part = log.part(2, 9);
        assert_eq!((ids(&part), part.cursor, part.more), (hashed(&[4]), log.head(), false));
    }

    #[test]
    fn long_lists_come_in_parts() {
        let log = log(&[1, 2, 3, 5, 8]);
        let first = log.part(0, 2);
        assert_eq!((ids(&first), first.more), (hashed(&[1, 2]), true));
        let Standing::After(number) = log.standing(first.cursor) else { panic!("in the list") };
        let second = log.part(number, 3);
        assert_eq!((ids(&second), second.more), (hashed(&[3, 5, 8]), false));
        assert_eq!(second.cursor, log.head());
    }

    #[test]
    fn the_end_of_the_list_outlives_its_last_entry() {
        let mut log = log(&[1, 2]);
        let (head, version) = (log.head(), log.version());
        log.forget_expired(Timestamp::from_seconds(101));
        assert_eq!(ids(&log.part(0, 9)), hashed(&[2]));
        log.forget_expired(Timestamp::from_seconds(102));
        assert_eq!((log.part(0, 9).entries.len(), log.head()), (0, head));
        assert_ne!(log.version(), version);
        assert_eq!(log.standing(head), Standing::UpToDate);
        assert!(!log.add(&[entry(2, 2)], Timestamp::from_seconds(102)));
        // A node that starts now learns the same end.
        let mut late = RevocationLog::default();
        assert!(late.add(&[entry(2, 2)], Timestamp::from_seconds(102)));
        assert_eq!((late.head(), late.part(0, 9).entries.len()), (head, 0));
        assert_eq!(late.standing(Cursor::of(&entry(1, 1))), Standing::Lost);
    }

    #[test]
    fn a_database_that_was_set_back_is_another_list() {
        let mut log = log(&[1, 2, 3]);
        assert!(!log.contradicts(&[entry(3, 3)]));
        assert!(!log.contradicts(&[entry(2, 2), entry(3, 3), entry(4, 4)]));
        assert!(log.contradicts(&[]), "all gone");
        assert!(log.contradicts(&[entry(2, 2)]), "some gone");
        assert!(log.contradicts(&[entry(3, 7)]), "gone, and one more since");
        assert!(log.contradicts(&[entry(3, 7), entry(4, 8)]), "gone, and two more since");
        assert!(!RevocationLog::default().contradicts(&[]));
        let before = log.head();
        log.replace(&[entry(1, 1), entry(2, 2), entry(3, 7), entry(4, 8)], NOW);
        assert_eq!(log.standing(before), Standing::Lost);
        assert_eq!(ids(&log.part(0, 9)), hashed(&[1, 2, 7, 8]));
    }

    #[test]
    fn status_lists_hold_what_is_ended_and_has_not_expired() {
        let mut log = log(&[1, 2, 3]);
        let in_list = |log: &RevocationLog, list| -> Vec<u32> {
            log.ended_in(list).into_iter().map(StatusIndex::bit).collect()
        };
        assert_eq!(in_list(&log, 0), [1 << 19]);
        assert_eq!(in_list(&log, 1), [0, 1 << 19]);
        assert_eq!(in_list(&log, 2), [0; 0]);
        log.forget_expired(Timestamp::from_seconds(102));
        assert_eq!((in_list(&log, 0), in_list(&log, 1)), (vec![], vec![1 << 19]));
        let nowhere = Numbered { status_index: None, ..entry(4, 4) };
        assert!(log.add(&[nowhere], NOW));
        assert_eq!(in_list(&log, 2), [0; 0]);
    }

    #[test]
    fn seconds_are_rounded_up() {
        let mut early = entry(1, 1);
        early.revocation.expires_at = Timestamp::from_micros(1_000_001);
        let mut log = RevocationLog::default();
        log.add(&[early], NOW);
        assert_eq!(log.part(0, 1).entries[0].exp, 2);
    }

    #[test]
    fn cursors_as_text() {
        let cursor = Cursor::of(&entry(7, 1));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(Cursor::START.to_string(), "0-0000000000000000");
        for text in [
            "",
            "7",
            "-",
            "7-",
            "-7-0000000000000000",
            "7-000000000000000",
            "7-+000000000000000",
            "7-00000000000000zz",
            "a-0000000000000000",
            "99999999999999999999-0000000000000000",
            "7-0000000000000000 ",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
