//! The one-time set-up link: makes the first administrator. Derived from a stored id, so that any node can
//! show it and only its hash needs to be kept.

use std::time::Duration;

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use crate::base62;
use crate::server_key::{KeyId, KeyRing, Purpose};

/// How long the link is good for.
pub const LIFETIME: Duration = Duration::from_hours(24);
/// What the token in the link starts with.
pub const PREFIX: &str = "pcs_";
const BYTES: usize = 40;

/// The token of the link whose stored id is `id`, under server key `key`.
pub fn token(id: [u8; 16], key: KeyId, keys: &KeyRing) -> Option<Zeroizing<String>> {
    let key = keys.get(key)?;
    let mut bytes = Zeroizing::new([0; BYTES]);
    bytes[..4].copy_from_slice(&key.id().0.to_be_bytes());
    bytes[8..24].copy_from_slice(&id);
    bytes[24..].copy_from_slice(&key.mac(Purpose::SetUp, &[&id]));
    let mut text = Zeroizing::new(String::from(PREFIX));
    base62::encode_into(&*bytes, &mut text);
    Some(text)
}

/// What the store keeps of a token.
pub fn hash(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_key::ServerKey;

    #[test]
    fn every_node_shows_the_same_link() {
        let ring = |accepted| {
            let key = |byte| ServerKey::new(&[byte; 32]).expect("long enough");
            KeyRing::new(key(1), if accepted { vec![key(2)] } else { vec![] })
        };
        let id = ring(false).current().id();
        let token_a = token([3; 16], id, &ring(false)).expect("held");
        let token_b = token([3; 16], id, &ring(true)).expect("held");
        assert_eq!(hash(&token_a), hash(&token_b));
        assert_ne!(hash(&token_a), hash(&token([4; 16], id, &ring(false)).expect("held")));
        assert!(token([3; 16], KeyId(0), &ring(false)).is_none());
    }
}
