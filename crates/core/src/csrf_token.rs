//! The CSRF token: a MAC over the session it is good for. Whoever can read it has read an answer of ours, which
//! another site's page cannot.
//!
//! Base62 of key id (4 bytes), four zero bytes and the MAC (16). Nothing is stored: it is good as long as its
//! session, and for that one alone. Where nobody is signed in yet, it stands for no session; nothing asks for it
//! there, but pages need no other case.

use crate::base62;
use crate::ids::SessionId;
use crate::server_key::{KeyId, KeyRing, Purpose};

const BYTES: usize = 24;

/// What a presented token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Of this session.
    Right,
    /// Of another one, or of nobody, or no token at all.
    Wrong,
    /// Made under a server key that this node does not hold.
    UnknownKey(KeyId),
}

/// The token of `session`, or of nobody.
pub fn issue(session: Option<SessionId>, keys: &KeyRing) -> String {
    let key = keys.current();
    let mut bytes = [0; BYTES];
    bytes[..4].copy_from_slice(&key.id().0.to_be_bytes());
    bytes[8..].copy_from_slice(&key.mac(Purpose::Csrf, &[&body(session)]));
    let mut text = String::new();
    base62::encode_into(&bytes, &mut text);
    text
}

/// Whether `token` is the token of `session`, in constant time.
pub fn judge(token: &str, session: SessionId, keys: &KeyRing) -> Judged {
    let Some(bytes) = base62::decode::<BYTES>(token) else { return Judged::Wrong };
    let [a, b, c, d, ..] = bytes;
    let id = KeyId(u32::from_be_bytes([a, b, c, d]));
    let Some(key) = keys.get(id) else { return Judged::UnknownKey(id) };
    if key.mac_matches(Purpose::Csrf, &[&body(Some(session))], &bytes[8..]) && bytes[4..8] == [0; 4] {
        Judged::Right
    } else {
        Judged::Wrong
    }
}

/// The ids of sessions are never nil.
fn body(session: Option<SessionId>) -> [u8; 16] {
    session.map_or([0; 16], |session| *session.uuid().as_bytes())
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

    const fn session(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn is_good_for_its_session_only() {
        let ring = ring(1, &[]);
        let token = issue(Some(session(1)), &ring);
        assert_eq!(token, issue(Some(session(1)), &ring));
        assert_eq!(judge(&token, session(1), &ring), Judged::Right);
        assert_eq!(judge(&token, session(2), &ring), Judged::Wrong);
        assert_eq!(judge(&issue(None, &ring), session(1), &ring), Judged::Wrong);
        assert_eq!(judge("", session(1), &ring), Judged::Wrong);
    }

    #[test]
    fn outlives_a_change_of_server_key_while_the_old_one_is_accepted() {
        let old = ring(1, &[]);
        let token = issue(Some(session(1)), &old);
        assert_eq!(judge(&token, session(1), &ring(2, &[1])), Judged::Right);
        let id = old.current().id();
        assert_eq!(judge(&token, session(1), &ring(2, &[])), Judged::UnknownKey(id));
    }

    proptest! {
        #[test]
        fn a_changed_character_is_never_right(at in 0_usize..33, to in "[0-9A-Za-z]") {
            let ring = ring(1, &[]);
            let token = issue(Some(session(1)), &ring);
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(changed == token, judge(&changed, session(1), &ring) == Judged::Right);
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            prop_assert_ne!(judge(&text, session(1), &ring(1, &[])), Judged::Right);
        }
    }
}
