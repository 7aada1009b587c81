//! The refresh token: derived, not stored.
//!
//! `pcr_` + base62 of key id (4 bytes), generation (4), session id (16), session secret (16) and a MAC over all
//! of that (16). The store keeps one row per session with the SHA-256 of the secret; successors are computed.

use std::fmt;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base62;
use crate::ids::SessionId;
use crate::random::{self, Random};
use crate::server_key::{KeyId, KeyRing, Purpose};

/// What every refresh token starts with.
pub const PREFIX: &str = "pcr_";
const BODY: usize = 40;
const BYTES: usize = BODY + 16;

/// The random secret of one session. Only its digest is stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionSecret([u8; 16]);

/// SHA-256 of a [`SessionSecret`]: what the store keeps and compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl SessionSecret {
    /// A new secret.
    pub fn new(random: &dyn Random) -> Self {
        Self(random::bytes(random))
    }

    /// What the store keeps of it.
    pub fn hash(&self) -> SecretHash {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        SecretHash(out)
    }
}

impl SecretHash {
    /// Constant-time comparison.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

/// A refresh token whose form and MAC are right. Nothing is known of its session yet.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// The session it belongs to.
    pub session: SessionId,
    /// Its position in the session's chain.
    pub generation: u32,
    /// The session's secret.
    pub secret: SessionSecret,
}

/// Why a text is no refresh token of ours.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// Not the form of a refresh token.
    #[error("not a refresh token")]
    Form,
    /// The form is right, the MAC is not: forged or damaged.
    #[error("forged refresh token")]
    Forged,
    /// Made under a server key that this node does not hold. Ours to mend if the key is one of the database's.
    #[error("made under server key {0}, which this node does not hold")]
    UnknownKey(KeyId),
}

impl RefreshToken {
    /// Checks form and MAC. Touches no store.
    pub fn parse(text: &str, keys: &KeyRing) -> Result<Self, ParseError> {
        let bytes: [u8; BYTES] =
            text.strip_prefix(PREFIX).and_then(base62::decode).ok_or(ParseError::Form)?;
        let (body, mac) = bytes.split_at(BODY);
        let id = KeyId(u32::from_be_bytes(array(&body[..4])));
        let key = keys.get(id).ok_or(ParseError::UnknownKey(id))?;
        if !key.mac_matches(Purpose::Refresh, &[body], mac) {
            return Err(ParseError::Forged);
        }
        Ok(Self {
            generation: u32::from_be_bytes(array(&body[4..8])),
            session: SessionId::from_uuid(uuid::Uuid::from_bytes(array(&body[8..24]))),
            secret: SessionSecret(array(&body[24..])),
        })
    }

    /// The token's text under server key `key`, or `None` if this node does not hold that key. The same
    /// token under the same key is the same text, byte for byte.
    pub fn to_text(&self, key: KeyId, keys: &KeyRing) -> Option<String> {
        let key = keys.get(key)?;
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&key.id().0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.generation.to_be_bytes());
        bytes[8..24].copy_from_slice(self.session.uuid().as_bytes());
        bytes[24..BODY].copy_from_slice(&self.secret.0);
        let mac = key.mac(Purpose::Refresh, &[&bytes[..BODY]]);
        bytes[BODY..].copy_from_slice(&mac);
        let mut text = String::with_capacity(PREFIX.len() + BYTES / 8 * 11);
        text.push_str(PREFIX);
        base62::encode_into(&bytes, &mut text);
        bytes.zeroize();
        Some(text)
    }

    /// The token that follows this one.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { generation: self.generation.saturating_add(1), ..self.clone() }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("cut to this length by the caller")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_key::ServerKey;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn ring(current: u8, accepted: &[u8]) -> KeyRing {
        let key = |byte: &u8| ServerKey::new(&[*byte; 32]).expect("long enough");
        KeyRing::new(key(&current), accepted.iter().map(key).collect())
    }

    fn token(generation: u32) -> RefreshToken {
        RefreshToken {
            session: SessionId::from_uuid(Uuid::from_u128(5)),
            generation,
            secret: SessionSecret([9; 16]),
        }
    }

    #[test]
    fn text_goes_both_ways_and_is_the_same_every_time() {
        let ring = ring(1, &[]);
        let text = token(3).to_text(ring.current().id(), &ring).expect("own key");
        assert_eq!(text, token(3).to_text(ring.current().id(), &ring).expect("own key"));
        let parsed = RefreshToken::parse(&text, &ring).expect("own token");
        assert_eq!((parsed.session, parsed.generation), (token(3).session, 3));
        assert!(parsed.secret.hash().matches(&token(3).secret.hash()));
        assert_eq!(parsed.successor().generation, 4);
    }

    #[test]
    fn a_token_under_a_dropped_key_names_that_key() {
        let old = ring(1, &[]);
        let text = token(1).to_text(old.current().id(), &old).expect("own key");
        assert!(RefreshToken::parse(&text, &ring(2, &[1])).is_ok());
        let error = RefreshToken::parse(&text, &ring(2, &[])).expect_err("dropped");
        assert_eq!(error, ParseError::UnknownKey(old.current().id()));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,120}") {
            let _ = RefreshToken::parse(&text, &ring(1, &[]));
        }

        #[test]
        fn a_changed_character_is_never_accepted(at in 4_usize..81, to in "[0-9A-Za-z]") {
            let ring = ring(1, &[]);
            let text = token(1).to_text(ring.current().id(), &ring).expect("own key");
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(changed == text, RefreshToken::parse(&changed, &ring).is_ok());
        }
    }
}
