//! Which sessions have ended, and when that was last heard of. The list of the last access lifetime: small.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::sync::watch;

/// SHA-256 of a `sid` as text: sessions are not named in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionHash([u8; 32]);

impl SessionHash {
    pub(crate) fn of(sid: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, sid.as_bytes()).as_ref());
        Self(hash)
    }
}

impl<'de> Deserialize<'de> for SessionHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("an id is 32 bytes in base64url"))
    }
}

/// One answer of the feed.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    /// Where to go on from.
    pub(crate) cursor: String,
    pub(crate) sessions: Vec<Ended>,
    /// This is not all that there is now.
    #[serde(default)]
    pub(crate) more: bool,
}

/// One revocation.
#[derive(Debug, Deserialize)]
pub(crate) struct Ended {
    id: SessionHash,
    /// Tokens up to this generation; without it, all.
    upto: Option<u64>,
    /// When it may be forgotten (Unix time).
    exp: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    upto: Option<u64>,
    exp: i64,
}

impl Entry {
    /// Of two for one session the wider counts.
    fn merge(&mut self, other: Self) {
        self.upto = self.upto.zip(other.upto).map(|(one, two)| one.max(two));
        self.exp = self.exp.max(other.exp);
    }
}

#[derive(Default)]
struct List {
    sessions: HashMap<SessionHash, Entry>,
    /// By the clock's `elapsed`; none before all that there was at first is known.
    heard: Option<Duration>,
    swept: i64,
}

/// The list, and a bell that rings when it grows.
#[derive(Default)]
pub(crate) struct Revocations {
    list: RwLock<List>,
    changed: watch::Sender<u64>,
}

/// Whether a token was revoked, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// It was not.
    Not,
    /// Its generation was: there may be a newer one, with other rights.
    Outdated,
    /// Its session was, or the API token itself.
    Ended,
}

/// What the list says about one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) revoked: Revoked,
    /// When the revocations were last heard of.
    pub(crate) heard: Option<Duration>,
}

impl Revocations {
    pub(crate) fn standing(&self, session: &SessionHash, generation: u64) -> Standing {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let revoked = match list.sessions.get(session) {
            Some(Entry { upto: None, .. }) => Revoked::Ended,
            Some(Entry { upto: Some(upto), .. }) if generation <= *upto => Revoked::Outdated,
            Some(_) | None => Revoked::Not,
        };
        Standing { revoked, heard: list.heard }
    }

    /// When the revocations were last heard of.
    pub(crate) fn heard(&self) -> Option<Duration> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).heard
    }

    /// Rings after every answer that names a session.
    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes an answer in at `now_unix`, heard at `elapsed`; how many revocations are remembered. What is known is never
    /// taken back, not even by an answer with the whole list: an issuer whose database was set back has lost it.
    pub(crate) fn apply(&self, document: Document, now_unix: i64, elapsed: Duration) -> usize {
        let news = !document.sessions.is_empty();
        let remembered = {
            let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
            for Ended { id, upto, exp } in document.sessions {
                let entry = Entry { upto, exp };
                list.sessions.entry(id).and_modify(|known| known.merge(entry)).or_insert(entry);
            }
            if now_unix.abs_diff(list.swept) >= 60 {
                list.sessions.retain(|_, entry| entry.exp > now_unix);
                list.swept = now_unix;
            }
            if !document.more {
                list.heard = Some(elapsed);
            }
            list.sessions.len()
        };
        if news {
            self.changed.send_modify(|count| *count += 1);
        }
        remembered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn id(sid: &str) -> String {
        URL_SAFE_NO_PAD.encode(SessionHash::of(sid).0)
    }

    fn document(sessions: &[(&str, Option<u64>, i64)]) -> Document {
        let sessions: Vec<_> = sessions
            .iter()
            .map(|(sid, upto, exp)| match upto {
                Some(upto) => serde_json::json!({"id": id(sid), "upto": upto, "exp": exp}),
                None => serde_json::json!({"id": id(sid), "exp": exp}),
            })
            .collect();
        let document = serde_json::json!({"cursor": "c", "complete": true, "sessions": sessions});
        serde_json::from_value(document).expect("a document")
    }

    fn revoked(list: &Revocations, sid: &str, generation: u64) -> bool {
        list.standing(&SessionHash::of(sid), generation).revoked != Revoked::Not
    }

    #[test]
    fn increments_add_up_and_the_wider_counts() {
        let list = Revocations::default();
        let at = Duration::from_secs(1);
        assert_eq!(list.standing(&SessionHash::of("a"), 0), Standing { revoked: Revoked::Not, heard: None });
        list.apply(document(&[("a", Some(3), NOW + 900)]), NOW, at);
        assert_eq!(
            list.standing(&SessionHash::of("a"), 3),
            Standing { revoked: Revoked::Outdated, heard: Some(at) }
        );
        assert!(!revoked(&list, "a", 4) && !revoked(&list, "b", 0));
        list.apply(document(&[("a", Some(1), NOW + 900), ("b", None, NOW + 900)]), NOW, at);
        assert!(revoked(&list, "a", 3) && !revoked(&list, "a", 4) && revoked(&list, "b", u64::MAX));
        list.apply(document(&[("a", None, NOW + 900)]), NOW, at);
        list.apply(document(&[("a", Some(9), NOW + 900)]), NOW, at);
        assert!(revoked(&list, "a", 10), "without `upto` all are meant, whatever comes later");
    }

    #[test]
    fn nothing_is_taken_back_and_an_empty_answer_changes_nothing() {
        let list = Revocations::default();
        let mut bell = list.bell();
        list.apply(document(&[("a", None, NOW + 900)]), NOW, Duration::ZERO);
        assert!(bell.has_changed().expect("open"));
        bell.mark_unchanged();
        list.apply(document(&[]), NOW, Duration::from_secs(5));
        assert!(revoked(&list, "a", 0) && !bell.has_changed().expect("open"));
        list.apply(document(&[("b", None, NOW + 900)]), NOW, Duration::ZERO);
        assert!(revoked(&list, "a", 0) && revoked(&list, "b", 0));
    }

    #[test]
    fn a_part_of_the_list_is_no_knowledge_of_it() {
        let list = Revocations::default();
        let part = Document { more: true, ..document(&[("a", None, NOW + 900)]) };
        list.apply(part, NOW, Duration::from_secs(1));
        assert_eq!(
            list.standing(&SessionHash::of("a"), 0),
            Standing { revoked: Revoked::Ended, heard: None }
        );
        list.apply(document(&[]), NOW, Duration::from_secs(2));
        assert_eq!(list.standing(&SessionHash::of("b"), 0).heard, Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_no_token_can_outlive_is_forgotten() {
        let list = Revocations::default();
        assert_eq!(
            list.apply(document(&[("a", None, NOW + 100), ("b", None, NOW + 200)]), NOW, Duration::ZERO),
            2
        );
        assert_eq!(list.apply(document(&[]), NOW + 99, Duration::ZERO), 2);
        assert_eq!(list.apply(document(&[]), NOW + 170, Duration::ZERO), 1);
        assert!(!revoked(&list, "a", 0) && revoked(&list, "b", 0));
    }

    #[test]
    fn documents_that_are_none() {
        for text in [
            "{}",
            r#"{"cursor":"c","complete":true}"#,
            r#"{"cursor":1,"complete":true,"sessions":[]}"#,
            r#"{"cursor":"c","complete":true,"sessions":[],"more":1}"#,
            r#"{"cursor":"c","cursor":"d","complete":true,"sessions":[]}"#,
            r#"{"cursor":"c","complete":true,"sessions":[{"id":"AAAA","exp":1}]}"#,
            r#"{"cursor":"c","complete":true,"sessions":[{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}"#,
            r#"{"cursor":"c","complete":true,"sessions":[{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#,
            r#"{"cursor":"c","complete":true,"sessions":[{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","exp":1,"upto":-1}]}"#,
        ] {
            assert!(serde_json::from_str::<Document>(text).is_err(), "{text}");
        }
    }
}
