//! The audit chain: what makes a change of the audit log show.
//!
//! 1. Events are written in the transaction of the fact, without a word of this. Behind them each gets a place: a
//!    sequence number, and a hash over the entry and the hash of the one before.
//! 2. Who, on whom, in which session, from where and the details enter as salted digests. What is erased takes its
//!    salt along, so that nothing can be guessed from the digest, and the chain stays whole.
//! 3. Each hash has a MAC under a server key: without one nobody makes an entry. A MAC whose key was dropped is
//!    vouched for by the first one behind it that can be checked, since its hash covers all before.
//! 4. Retention takes the oldest entries away and leaves, under a MAC, where the chain begins ([`Start`]).
//! 5. What is cut off the end shows against a checkpoint that is kept elsewhere ([`Checkpoint`]).

mod checkpoint;
mod inspection;

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::audit::StoredEvent;
use crate::ids::UserId;
use crate::server_key::{KeyId, KeyRing, MAC_BYTES, Purpose, ServerKey};
use crate::time::Timestamp;

pub use checkpoint::Checkpoint;
pub use inspection::{Finding, Inspection};

/// SHA-256.
pub type Digest = [u8; 32];
/// What makes a digest of a short value unguessable.
pub type Salt = [u8; 16];
/// How many personal fields an event has.
pub const FIELDS: usize = 5;

/// A field of an event that may be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// On whom.
    User,
    /// Who.
    Actor,
    /// In which session.
    Session,
    /// From where.
    Address,
    /// More.
    Detail,
}

impl Field {
    /// All, in the order of their digests.
    pub const ALL: [Self; FIELDS] = [Self::User, Self::Actor, Self::Session, Self::Address, Self::Detail];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Actor => "actor",
            Self::Session => "session",
            Self::Address => "address",
            Self::Detail => "detail",
        }
    }

    /// The bytes of the value; `None`: there is none.
    fn of(self, event: &StoredEvent) -> Option<Vec<u8>> {
        match self {
            Self::User => event.user.map(|id| id.uuid().as_bytes().to_vec()),
            Self::Actor => event.actor.map(|id| id.uuid().as_bytes().to_vec()),
            Self::Session => event.session.map(|id| id.uuid().as_bytes().to_vec()),
            Self::Address => event.address.as_ref().map(|text| text.as_bytes().to_vec()),
            Self::Detail => Some(event.detail.as_bytes().to_vec()),
        }
    }

    fn is_erased(self, event: &StoredEvent) -> bool {
        match self {
            Self::Detail => event.detail == "{}",
            _ => self.of(event).is_none(),
        }
    }

    fn digest(self, event: &StoredEvent, salt: &Salt) -> Digest {
        let value = self.of(event);
        let parts: [&[u8]; 4] = [
            b"field 1",
            salt,
            &[self as u8, u8::from(value.is_some())],
            value.as_deref().unwrap_or_default(),
        ];
        sha256(&parts)
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u8);

impl Fields {
    /// From a stored number; bits of no field are dropped.
    pub const fn from_bits(bits: i64) -> Self {
        Self((bits & 0b1_1111) as u8)
    }

    /// As it is stored.
    pub const fn bits(self) -> i64 {
        self.0 as i64
    }

    /// Whether `field` is in it.
    pub const fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What of an event tells about `user`, who is gone: who somebody else is who acted, and from where, stays; so
    /// does on whom somebody acted who is gone.
    pub fn about(user: UserId, on: Option<UserId>, by: Option<UserId>) -> Self {
        let (own, acted) = (on == Some(user), by == Some(user));
        let fields = Field::ALL.into_iter().filter(|field| match field {
            Field::User | Field::Session | Field::Detail => own,
            Field::Actor => acted,
            Field::Address => acted || own && by.is_none(),
        });
        Self(fields.fold(0, |bits, field| bits | 1 << field as u8))
    }
}

/// How far the chain goes: its last entry, or where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the entry.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Head {
    /// Before the first entry of all.
    pub const NONE: Self = Self { seq: 0, hash: [0; 32] };
}

/// Something under a server key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Which key.
    pub key: KeyId,
    /// The MAC.
    pub mac: [u8; MAC_BYTES],
}

/// What a seal is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Made by a server.
    Right,
    /// Made by somebody else, or for something else.
    Wrong,
    /// Nobody here can tell: the key is not held.
    Unknown,
}

impl Seal {
    fn new(key: &ServerKey, parts: &[&[u8]]) -> Self {
        Self { key: key.id(), mac: key.mac(Purpose::Audit, parts) }
    }

    fn check(&self, ring: &KeyRing, parts: &[&[u8]]) -> Worth {
        match ring.get(self.key) {
            None => Worth::Unknown,
            Some(key) if key.mac_matches(Purpose::Audit, parts, &self.mac) => Worth::Right,
            Some(_) => Worth::Wrong,
        }
    }
}

/// Fields that were taken from an event after it was chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Which.
    pub fields: Fields,
    /// By a server.
    pub seal: Seal,
}

impl Erasure {
    /// Of `fields` of the event at `seq`.
    pub fn new(seq: u64, event: Uuid, fields: Fields, key: &ServerKey) -> Self {
        Self { fields, seal: Seal::new(key, &Self::parts(&seq.to_be_bytes(), event.as_bytes(), &[fields.0])) }
    }

    /// Whether a server has erased them.
    pub fn check(&self, seq: u64, event: Uuid, ring: &KeyRing) -> Worth {
        self.seal.check(ring, &Self::parts(&seq.to_be_bytes(), event.as_bytes(), &[self.fields.0]))
    }

    const fn parts<'a>(seq: &'a [u8; 8], event: &'a [u8; 16], fields: &'a [u8; 1]) -> [&'a [u8]; 4] {
        [b"x", seq, event, fields]
    }
}

/// Asks for what tells of a user who is gone to be erased: under a MAC, so that nobody who has the database in hand
/// lets us erase for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasureRequest {
    /// Who is gone.
    pub user: UserId,
    /// Since when.
    pub asked_at: Timestamp,
    /// By a server.
    pub seal: Seal,
}

impl ErasureRequest {
    /// Of what tells of `user`.
    pub fn new(user: UserId, asked_at: Timestamp, key: &ServerKey) -> Self {
        let seal = Seal::new(key, &[b"r", user.uuid().as_bytes(), &asked_at.micros().to_be_bytes()]);
        Self { user, asked_at, seal }
    }

    /// Whether a server has asked.
    pub fn check(&self, ring: &KeyRing) -> Worth {
        let at = self.asked_at.micros().to_be_bytes();
        self.seal.check(ring, &[b"r", self.user.uuid().as_bytes(), &at])
    }
}

/// One entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place: 1, 2, 3, …
    pub seq: u64,
    /// The event.
    pub event: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// Of the personal fields, in the order of [`Field::ALL`].
    pub digests: [Digest; FIELDS],
    /// Of the digests; zeros where the field was erased.
    pub salts: [Salt; FIELDS],
    /// Over all of this but the salts, and the hash of the entry before.
    pub hash: Digest,
    /// Over place and hash.
    pub seal: Seal,
    /// What was taken from the event.
    pub erasure: Option<Erasure>,
}

impl Link {
    /// The entry for `event` behind `head`.
    pub fn new(event: &StoredEvent, head: &Head, salts: [Salt; FIELDS], key: &ServerKey) -> Self {
        let mut link = Self {
            seq: head.seq + 1,
            event: event.id,
            at: event.at,
            kind: event.kind.clone(),
            digests: std::array::from_fn(|at| Field::ALL[at].digest(event, &salts[at])),
            salts,
            hash: [0; 32],
            seal: Seal { key: key.id(), mac: [0; MAC_BYTES] },
            erasure: None,
        };
        link.hash = link.hash_behind(&head.hash);
        link.seal = link.head().seal(key);
        link
    }

    /// Where the chain stands behind it.
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    fn hash_behind(&self, before: &Digest) -> Digest {
        let kind = self.kind.as_bytes();
        sha256(&[
            b"entry 1",
            before,
            &self.seq.to_be_bytes(),
            self.event.as_bytes(),
            &self.at.micros().to_be_bytes(),
            &(kind.len() as u64).to_be_bytes(),
            kind,
            self.digests.as_flattened(),
        ])
    }
}

impl Head {
    /// The seal of the entry here.
    pub fn seal(&self, key: &ServerKey) -> Seal {
        Seal::new(key, &[b"e", &self.seq.to_be_bytes(), &self.hash])
    }

    /// Whether `seal` is that of the entry here.
    pub fn check(&self, seal: &Seal, ring: &KeyRing) -> Worth {
        seal.check(ring, &[b"e", &self.seq.to_be_bytes(), &self.hash])
    }
}

/// Where the chain begins: behind what retention has taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The last entry that is gone; [`Head::NONE`]: all are there.
    pub head: Head,
    /// By a server; there is none before the first entry of all.
    pub seal: Option<Seal>,
}

impl Start {
    /// Behind `head`.
    pub fn behind(head: Head, key: &ServerKey) -> Self {
        Self { head, seal: Some(Seal::new(key, &[b"s", &head.seq.to_be_bytes(), &head.hash])) }
    }

    /// Whether a server has said so.
    pub fn check(&self, ring: &KeyRing) -> Worth {
        match self.seal {
            None if self.head == Head::NONE => Worth::Right,
            None => Worth::Wrong,
            Some(seal) => seal.check(ring, &[b"s", &self.head.seq.to_be_bytes(), &self.head.hash]),
        }
    }
}

fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_erased_of_an_event_about_somebody_who_is_gone() {
        use Field::{Actor, Address, Detail, Session, User};
        let [ada, root] = [1, 2].map(|number| UserId::from_uuid(Uuid::from_u128(number)));
        for (on, by, gone) in [
            (Some(ada), None, &[User, Session, Address, Detail][..]),
            (Some(ada), Some(ada), &[User, Actor, Session, Address, Detail]),
            (Some(ada), Some(root), &[User, Session, Detail]),
            (Some(root), Some(ada), &[Actor, Address]),
            (None, Some(ada), &[Actor, Address]),
            (Some(root), None, &[]),
            (None, None, &[]),
        ] {
            let fields = Fields::about(ada, on, by);
            let found: Vec<Field> = Field::ALL.into_iter().filter(|field| fields.has(*field)).collect();
            assert_eq!(found, gone, "{on:?} {by:?}");
            assert_eq!(Fields::from_bits(fields.bits()), fields);
        }
    }

    #[test]
    fn only_a_server_asks_for_an_erasure() {
        let key = ServerKey::new(&[1; 32]).expect("long enough");
        let [ada, root] = [1, 2].map(|number| UserId::from_uuid(Uuid::from_u128(number)));
        let asked = ErasureRequest::new(ada, Timestamp::from_seconds(1), &key);
        let ring = KeyRing::new(key, vec![]);
        assert_eq!(asked.check(&ring), Worth::Right);
        assert_eq!(ErasureRequest { user: root, ..asked }.check(&ring), Worth::Wrong);
        let later = ErasureRequest { asked_at: Timestamp::from_seconds(2), ..asked };
        assert_eq!(later.check(&ring), Worth::Wrong);
    }
}
