//! Links in mails: derived, not stored.
//!
//! `pcl_` + base62 of key id (4 bytes), purpose (1), three zeros, link id (16) and a MAC (16) over id, purpose, subject,
//! address and credential epoch. The store keeps what the link is about, and whether it was used; neither it nor a
//! backup or the outbox holds a link that works.

use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::base62;
use crate::ids::LinkId;
use crate::server_key::{KeyId, KeyRing, Purpose};

/// What the token in every link starts with.
pub const PREFIX: &str = "pcl_";
const BODY: usize = 24;
const BYTES: usize = BODY + 16;

/// What a link does when it is used. A link of one purpose is good for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LinkPurpose {
    /// Proves a user's address.
    VerifyEmail = 1,
    /// Turns a pending registration into a user.
    Register = 2,
    /// Sets a new password.
    ResetPassword = 3,
    /// Proves a user's new address and puts it in the place of the old one.
    ChangeEmail = 4,
    /// Brings back the address that was changed.
    UndoEmail = 5,
    /// Joins an account.
    AccountInvite = 6,
    /// Keeps an account that its user wanted deleted.
    KeepAccount = 7,
    /// Ends a sign-in that its user knows nothing of.
    NotMe = 8,
}

impl LinkPurpose {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::VerifyEmail,
        Self::Register,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::UndoEmail,
        Self::AccountInvite,
        Self::KeepAccount,
        Self::NotMe,
    ];

    /// Its stable name: in the store, and of its lifetime in the configuration (`email.link_ttl.<name>`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::Register => "register",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::UndoEmail => "undo_email",
            Self::AccountInvite => "account_invite",
            Self::KeepAccount => "keep_account",
            Self::NotMe => "not_me",
        }
    }

    /// How long a link is good for unless it is configured.
    pub const fn default_lifetime(self) -> Duration {
        match self {
            Self::VerifyEmail | Self::Register | Self::ChangeEmail => Duration::from_hours(24),
            Self::ResetPassword => Duration::from_hours(1),
            Self::UndoEmail | Self::AccountInvite | Self::NotMe => Duration::from_hours(7 * 24),
            Self::KeepAccount => Duration::from_hours(30 * 24),
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| *purpose as u8 == byte)
    }
}

/// What a link is about: all of it goes into the MAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// Names the link.
    pub id: LinkId,
    /// What it does.
    pub purpose: LinkPurpose,
    /// To whom or what: a user, a pending registration, an account, a session.
    pub subject: Uuid,
    /// The address it is mailed to, in the form that addresses are compared by.
    pub email_key: String,
    /// The user's credential epoch when it was made; 0 where it does not matter.
    pub epoch: i64,
}

/// A text that has the form of a link's token. Nothing is known of its MAC until [`Self::is_of`].
#[derive(Clone, Debug)]
pub struct PresentedLink {
    /// Names the link.
    pub id: LinkId,
    /// What it claims to do.
    pub purpose: LinkPurpose,
    /// The server key it claims to be made under.
    pub key: KeyId,
    mac: [u8; 16],
}

impl LinkFacts {
    /// The token under server key `key`, or `None` if this node does not hold that key.
    pub fn token(&self, key: KeyId, keys: &KeyRing) -> Option<Zeroizing<String>> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[..4].copy_from_slice(&key.0.to_be_bytes());
        bytes[4] = self.purpose as u8;
        bytes[8..BODY].copy_from_slice(self.id.uuid().as_bytes());
        bytes[BODY..].copy_from_slice(&self.mac(key, keys)?);
        let mut text = Zeroizing::new(String::from(PREFIX));
        base62::encode_into(&*bytes, &mut text);
        Some(text)
    }

    fn mac(&self, key: KeyId, keys: &KeyRing) -> Option<[u8; 16]> {
        let id = self.id.uuid();
        let parts: [&[u8]; 5] = [
            &[self.purpose as u8],
            id.as_bytes(),
            self.subject.as_bytes(),
            &self.epoch.to_be_bytes(),
            // Last: the only one whose length is not fixed.
            self.email_key.as_bytes(),
        ];
        Some(keys.get(key)?.mac(Purpose::Link, &parts))
    }
}

impl PresentedLink {
    /// Reads the form of a token. Touches neither store nor key.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; BYTES] = text.strip_prefix(PREFIX).and_then(base62::decode)?;
        let array = |range: std::ops::Range<usize>| <[u8; 16]>::try_from(&bytes[range]).ok();
        if bytes[5..8] != [0; 3] {
            return None;
        }
        Some(Self {
            key: KeyId(u32::from_be_bytes(bytes[..4].try_into().ok()?)),
            purpose: LinkPurpose::from_byte(bytes[4])?,
            id: LinkId::from_uuid(Uuid::from_bytes(array(8..BODY)?)),
            mac: array(BODY..BYTES)?,
        })
    }

    /// Whether it was made by us for `facts`, in constant time.
    pub fn is_of(&self, facts: &LinkFacts, keys: &KeyRing) -> bool {
        use subtle::ConstantTimeEq;
        facts.id == self.id
            && facts.purpose == self.purpose
            && facts.mac(self.key, keys).is_some_and(|mac| mac.ct_eq(&self.mac).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_key::ServerKey;
    use proptest::prelude::*;

    fn ring() -> KeyRing {
        KeyRing::new(ServerKey::new(&[1; 32]).expect("long enough"), vec![])
    }

    fn facts() -> LinkFacts {
        LinkFacts {
            id: LinkId::from_uuid(Uuid::from_u128(7)),
            purpose: LinkPurpose::ResetPassword,
            subject: Uuid::from_u128(8),
            email_key: "ada@example.org".into(),
            epoch: 3,
        }
    }

    #[test]
    fn a_link_is_of_its_facts_and_no_others() {
        let ring = ring();
        let text = facts().token(ring.current().id(), &ring).expect("own key");
        let link = PresentedLink::parse(&text).expect("own form");
        assert!(link.is_of(&facts(), &ring));
        let other = |change: fn(&mut LinkFacts)| {
            let mut facts = facts();
            change(&mut facts);
            facts
        };
        let others = [
            other(|facts| facts.id = LinkId::from_uuid(Uuid::from_u128(9))),
            other(|facts| facts.purpose = LinkPurpose::VerifyEmail),
            other(|facts| facts.subject = Uuid::from_u128(9)),
            other(|facts| facts.email_key = "eve@example.org".into()),
            other(|facts| facts.epoch = 4),
        ];
        for facts in others {
            assert!(!link.is_of(&facts, &ring), "{facts:?}");
        }
        let stranger = KeyRing::new(ServerKey::new(&[2; 32]).expect("long enough"), vec![]);
        assert!(!link.is_of(&facts(), &stranger) && facts().token(KeyId(0), &ring).is_none());
    }

    #[test]
    fn every_purpose_has_a_byte_and_a_name_of_its_own() {
        for (at, purpose) in LinkPurpose::ALL.into_iter().enumerate() {
            assert_eq!(LinkPurpose::from_byte(purpose as u8), Some(purpose));
            assert!(LinkPurpose::ALL[..at].iter().all(|other| other.as_str() != purpose.as_str()));
        }
        assert_eq!((LinkPurpose::from_byte(0), LinkPurpose::from_byte(200)), (None, None));
    }

    proptest! {
        #[test]
        fn never_panics(text in "(pcl_)?\\PC{0,70}") {
            let _ = PresentedLink::parse(&text);
        }

        #[test]
        fn a_changed_character_is_never_accepted(at in 4_usize..59, to in "[0-9A-Za-z]") {
            let ring = ring();
            let text = facts().token(ring.current().id(), &ring).expect("own key");
            let mut changed = text.to_string();
            changed.replace_range(at..=at, &to);
            let good = PresentedLink::parse(&changed).is_some_and(|link| link.is_of(&facts(), &ring));
            prop_assert_eq!(good, changed == *text);
        }
    }
}
