//! A checkpoint: how far the chain went at some time, for keeping where whoever changes the database cannot reach.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use super::{Head, Seal, Worth};
use crate::server_key::{KeyId, KeyRing, ServerKey};
use crate::time::Timestamp;

/// What every checkpoint starts with as text.
const PREFIX: &str = "pcc1.";

/// How far the chain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How far.
    pub head: Head,
    /// When.
    pub at: Timestamp,
    /// By a server.
    pub seal: Seal,
}

impl Checkpoint {
    /// At `head`.
    pub fn new(head: Head, at: Timestamp, key: &ServerKey) -> Self {
        let seal = Seal::new(key, &[b"c", &head.seq.to_be_bytes(), &head.hash, &at.micros().to_be_bytes()]);
        Self { head, at, seal }
    }

    /// Whether a server has made it.
    pub fn check(&self, ring: &KeyRing) -> Worth {
        let Head { seq, hash } = self.head;
        self.seal.check(ring, &[b"c", &seq.to_be_bytes(), &hash, &self.at.micros().to_be_bytes()])
    }

    /// All that stand somewhere in `text`: a log, the body of a webhook, a file with nothing else in it.
    pub fn find_all(text: &str) -> Vec<Self> {
        let within = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let found = text.match_indices(PREFIX).filter_map(|(at, _)| {
            let rest = &text[at..];
            Self::parse(rest.split(within).next().unwrap_or_default().trim_end_matches('.'))
        });
        found.collect()
    }

    /// Reads the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('.');
        let seq = parts.next()?.parse().ok()?;
        let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
        let key = KeyId(u32::from_str_radix(parts.next()?, 16).ok()?);
        let mut bytes = || URL_SAFE_NO_PAD.decode(parts.next()?).ok();
        let (hash, mac) = (bytes()?.try_into().ok()?, bytes()?.try_into().ok()?);
        let all = parts.next().is_none();
        all.then_some(Self { head: Head { seq, hash }, at, seal: Seal { key, mac } })
    }
}

/// `pcc1.<number>.<microseconds>.<key>.<hash>.<MAC>`.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, at, seal } = self;
        let (hash, mac) = (URL_SAFE_NO_PAD.encode(head.hash), URL_SAFE_NO_PAD.encode(seal.mac));
        write!(f, "{PREFIX}{}.{}.{}.{hash}.{mac}", head.seq, at.micros(), seal.key)
    }
}

impl Serialize for Checkpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(byte: u8) -> KeyRing {
        KeyRing::new(ServerKey::new(&[byte; 32]).expect("long enough"), vec![])
    }

    fn made() -> Checkpoint {
        let head = Head { seq: 7, hash: [9; 32] };
        Checkpoint::new(head, Timestamp::from_seconds(1_000), ring(1).current())
    }

    #[test]
    fn is_worth_something_under_its_key_and_unchanged() {
        assert_eq!(made().check(&ring(1)), Worth::Right);
        assert_eq!(made().check(&ring(2)), Worth::Unknown);
        let later = Checkpoint { at: Timestamp::from_seconds(1_001), ..made() };
        let further = Checkpoint { head: Head { seq: 8, ..made().head }, ..made() };
        for wrong in [later, further] {
            assert_eq!(wrong.check(&ring(1)), Worth::Wrong);
        }
    }

    #[test]
    fn is_found_wherever_it_stands() {
        let text = made().to_string();
        for around in [text.clone(), format!("{{\"checkpoint\":\"{text}\"}}\n"), format!("a {text}. b")] {
            assert_eq!(Checkpoint::find_all(&around), [made()], "{around}");
        }
        assert_eq!(Checkpoint::find_all(&format!("{text}\n{text}")).len(), 2);
        for wrong in ["", "pcc1.", "pcc1.7.1.x.y.z", &text[..text.len() - 3], &format!("{text}.more")] {
            assert_eq!(Checkpoint::parse(wrong), None, "{wrong}");
        }
    }
}
