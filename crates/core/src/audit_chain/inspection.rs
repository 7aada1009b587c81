//! The walk over the chain that finds what somebody has changed.

use thiserror::Error;
use uuid::Uuid;

use super::{Checkpoint, Field, Fields, Head, Link, Start, Worth};
use crate::audit::StoredEvent;
use crate::server_key::{KeyId, KeyRing};

/// Something that no server has done, or that nobody here can vouch for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Finding {
    /// Entries are missing in between.
    #[error("entries {from} to {to} are gone")]
    Gone {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The entry is not what was chained there.
    #[error("entry {0} was changed, or is not in its place")]
    Entry(u64),
    /// No server has made the entry.
    #[error("entry {0} was not made by this server: its MAC is wrong")]
    Mac(u64),
    /// The event of an entry is missing.
    #[error("the event of entry {seq}, {event}, is gone")]
    EventGone {
        /// Which entry.
        seq: u64,
        /// Which event.
        event: Uuid,
    },
    /// The event of an entry is not what was chained.
    #[error("the event of entry {seq}, {event}, was changed: {field}")]
    EventChanged {
        /// Which entry.
        seq: u64,
        /// Which event.
        event: Uuid,
        /// What of it.
        field: &'static str,
    },
    /// Fields are said to be erased, and no server has erased them.
    #[error("what was erased of the event of entry {0} was not erased by this server")]
    Erased(u64),
    /// Entries before the first one are missing, and retention has not taken them.
    #[error("where the chain starts, behind entry {0}, was changed")]
    Start(u64),
    /// The chain is shorter than it was.
    #[error("the end is cut: the checkpoint of {at} is at entry {seq}, the chain ends at {end}")]
    Cut {
        /// Where the checkpoint is.
        seq: u64,
        /// When it was made.
        at: crate::time::Timestamp,
        /// Where the chain ends now.
        end: u64,
    },
    /// The chain was written anew.
    #[error("entry {seq} is another one than at the checkpoint of {at}")]
    Rewritten {
        /// Where the checkpoint is.
        seq: u64,
        /// When it was made.
        at: crate::time::Timestamp,
    },
    /// No server has made the checkpoint.
    #[error("the checkpoint at entry {0} was not made by this server")]
    Checkpoint(u64),
    /// What is under this key cannot be checked.
    #[error("{what} cannot be checked without server key {key}: add it to server.secret_keys_accepted")]
    Unknown {
        /// What is under it.
        what: String,
        /// Which key.
        key: KeyId,
    },
}

/// A walk over the chain.
#[derive(Debug)]
pub struct Inspection {
    at: Head,
    /// The first entry whose MAC nobody here can check and that none behind it has vouched for.
    unproven: Option<(u64, KeyId)>,
    checkpoints: Vec<Checkpoint>,
    findings: Vec<Finding>,
}

impl Inspection {
    /// From `start` on. Checkpoints before it say nothing any more.
    pub fn new(start: &Start, mut checkpoints: Vec<Checkpoint>, ring: &KeyRing) -> Self {
        checkpoints.sort_by_key(|checkpoint| checkpoint.head.seq);
        checkpoints.reverse();
        let mut walk = Self { at: start.head, unproven: None, checkpoints, findings: Vec::new() };
        match (start.check(ring), start.seal) {
            (Worth::Unknown, Some(seal)) => walk.unknown("where the chain starts", seal.key),
            (Worth::Right, _) => {}
            (Worth::Wrong | Worth::Unknown, _) => walk.findings.push(Finding::Start(start.head.seq)),
        }
        let forged = |one: &&Checkpoint| one.check(ring) == Worth::Wrong;
        let forged: Vec<u64> = walk.checkpoints.iter().filter(forged).map(|one| one.head.seq).collect();
        walk.findings.extend(forged.into_iter().rev().map(Finding::Checkpoint));
        walk.checkpoints.retain(|one| one.check(ring) != Worth::Wrong);
        walk.pass_checkpoints();
        walk
    }

    /// How far it is.
    pub const fn at(&self) -> Head {
        self.at
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Retention was faster than we: the chain starts further on.
    pub fn move_to(&mut self, start: &Start, ring: &KeyRing) {
        if start.head.seq > self.at.seq && start.check(ring) == Worth::Right {
            self.at = start.head;
            self.unproven = None;
            self.pass_checkpoints();
        }
    }

    /// Looks at the next entry and its event.
    pub fn step(&mut self, link: &Link, event: Option<&StoredEvent>, ring: &KeyRing) {
        let seq = link.seq;
        if seq != self.at.seq + 1 {
            self.findings.push(Finding::Gone { from: self.at.seq + 1, to: seq.saturating_sub(1) });
            // What it was made behind is not there to be looked at: its MAC alone speaks for it.
        } else if link.hash_behind(&self.at.hash) != link.hash {
            self.findings.push(Finding::Entry(seq));
        }
        match link.head().check(&link.seal, ring) {
            Worth::Right => self.unproven = None,
            Worth::Wrong => self.findings.push(Finding::Mac(seq)),
            Worth::Unknown => self.unproven = self.unproven.or(Some((seq, link.seal.key))),
        }
        let erased = self.erased(link, ring);
        match event {
            None => self.findings.push(Finding::EventGone { seq, event: link.event }),
            Some(event) => {
                if let Some(field) = changed(link, event, erased) {
                    self.findings.push(Finding::EventChanged { seq, event: link.event, field });
                }
            }
        }
        self.at = link.head();
        self.pass_checkpoints();
    }

    /// Ends the walk: what was found.
    pub fn end(mut self) -> Vec<Finding> {
        if let Some((seq, key)) = self.unproven {
            self.unknown(&format!("entries from {seq} on"), key);
        }
        let end = self.at.seq;
        let cut = |one: Checkpoint| Finding::Cut { seq: one.head.seq, at: one.at, end };
        let rest: Vec<Finding> = self.checkpoints.drain(..).rev().map(cut).collect();
        self.findings.extend(rest);
        self.findings
    }

    fn unknown(&mut self, what: &str, key: KeyId) {
        self.findings.push(Finding::Unknown { what: what.to_owned(), key });
    }

    /// What a server has erased.
    fn erased(&mut self, link: &Link, ring: &KeyRing) -> Fields {
        let Some(erasure) = link.erasure else { return Fields::default() };
        match erasure.check(link.seq, link.event, ring) {
            Worth::Right => return erasure.fields,
            Worth::Wrong => self.findings.push(Finding::Erased(link.seq)),
            Worth::Unknown => {
                self.unknown(&format!("what was erased of entry {}", link.seq), erasure.seal.key);
            }
        }
        erasure.fields
    }

    fn pass_checkpoints(&mut self) {
        while let Some(next) = self.checkpoints.last().copied().filter(|next| next.head.seq <= self.at.seq) {
            self.checkpoints.pop();
            if next.head.seq == self.at.seq && next.head.hash != self.at.hash {
                self.findings.push(Finding::Rewritten { seq: next.head.seq, at: next.at });
            }
        }
    }
}

/// The first thing of an event that is not as it was chained.
fn changed(link: &Link, event: &StoredEvent, erased: Fields) -> Option<&'static str> {
    if event.at != link.at {
        return Some("at");
    }
    if event.kind != link.kind {
        return Some("kind");
    }
    let differs = |(at, field): (usize, &Field)| {
        if erased.has(*field) {
            !field.is_erased(event)
        } else {
            field.digest(event, &link.salts[at]) != link.digests[at]
        }
    };
    let mut fields = Field::ALL.iter().enumerate();
    fields.find(|(at, field)| differs((*at, field))).map(|(_, field)| field.as_str())
}

#[cfg(test)]
mod tests;
