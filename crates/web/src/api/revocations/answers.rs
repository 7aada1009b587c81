//! Answers are made once for all who are to get the same: the whole list, and the few ways to it from where readers
//! stand. A thousand readers that wake together share one body.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use portcullis_app::feed::{Cursor, Feed, News, Part, Published};
use portcullis_edge::code::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::Failure;

/// How many are kept. Readers that wake together stand at one place, or at a few.
const KEPT: usize = 8;

/// Revoked sessions.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocations)]
pub(crate) struct RevocationsBody {
    /// For the next request; opaque, good on every node.
    cursor: String,
    /// This is the whole list, not only what came after the cursor.
    complete: bool,
    /// The answer is full: ask for the rest at once. Absent if there is none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
    sessions: Vec<RevokedSession>,
}

/// Tokens of one session that must not be accepted.
#[derive(Serialize, ToSchema)]
struct RevokedSession {
    /// SHA-256 of the token's `sid`, base64url without padding.
    id: String,
    /// Tokens with `gen` up to this one; absent: all of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    upto: Option<u32>,
    /// When it may be forgotten, in seconds since the Unix epoch.
    exp: i64,
}

impl From<Published> for RevokedSession {
    fn from(entry: Published) -> Self {
        Self { id: URL_SAFE_NO_PAD.encode(entry.id), upto: entry.upto, exp: entry.exp }
    }
}

/// One answer, made.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) cursor: Cursor,
    pub(crate) body: Bytes,
}

impl Answer {
    /// There is nothing behind `cursor`.
    pub(crate) fn nothing(cursor: Cursor) -> Result<Self, Failure> {
        Self::made(Part { entries: Vec::new(), cursor, more: false }, false)
    }

    fn made(part: Part, from_the_beginning: bool) -> Result<Self, Failure> {
        let body = RevocationsBody {
            cursor: part.cursor.to_string(),
            // Never of a list that does not fit: who drops what it knew for half a list accepts what is revoked.
            complete: from_the_beginning && !part.more,
            more: part.more,
            sessions: part.entries.into_iter().map(RevokedSession::from).collect(),
        };
        let body = serde_json::to_vec(&body)
            .map_err(|error| Failure::logged(Code::InternalError, error.to_string()))?;
        Ok(Self { cursor: part.cursor, body: Bytes::from(body) })
    }
}

/// The answers to the list as it is.
#[derive(Default)]
pub(crate) struct Answers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    version: u64,
    answers: Vec<(News, Answer)>,
}

impl Answers {
    /// The answer to `news` of this version of the list; `None`: it has changed since.
    pub(crate) fn get(&self, feed: &Feed, version: u64, news: News) -> Result<Option<Answer>, Failure> {
        // Held while one is made, so that one is made.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version == version
            && let Some((_, answer)) = kept.answers.iter().find(|(of, _)| *of == news)
        {
            return Ok(Some(answer.clone()));
        }
        let Some(part) = feed.part(version, news) else { return Ok(None) };
        let answer = Answer::made(part, news == News::Whole)?;
        if kept.version != version {
            *kept = Kept { version, answers: Vec::new() };
        }
        if kept.answers.len() == KEPT {
            kept.answers.remove(0);
        }
        kept.answers.push((news, answer.clone()));
        Ok(Some(answer))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(more: bool, from_the_beginning: bool) -> Value {
        let entries = vec![Published { id: [7; 32], upto: Some(3), exp: 9 }];
        let part = Part { entries, cursor: Cursor::START, more };
        let answer = Answer::made(part, from_the_beginning).ok().expect("it serialises");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    #[test]
    fn half_a_list_is_never_called_whole() {
        let id = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        let sessions = json!([{"id": id, "upto": 3, "exp": 9}]);
        let cursor = "0-0000000000000000";
        assert_eq!(made(false, true), json!({"cursor": cursor, "complete": true, "sessions": sessions}));
        assert_eq!(made(false, false), json!({"cursor": cursor, "complete": false, "sessions": sessions}));
        for beginning in [true, false] {
            let expected = json!({"cursor": cursor, "complete": false, "more": true, "sessions": sessions});
            assert_eq!(made(true, beginning), expected);
        }
    }
}
