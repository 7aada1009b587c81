//! A session as the cookies hold it: both tokens, and what we need to know of them without asking.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::pass::Principal;

/// What the issuer hands out at a sign-in or a refresh. Holds tokens, and so has no `Debug`.
#[derive(Clone, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Seconds.
    pub(crate) refresh_expires_in: i64,
    #[serde(default)]
    pub(crate) must_change_password: bool,
    #[serde(default)]
    pub(crate) must_set_up_factor: bool,
    #[serde(default)]
    pub(crate) device_token: Option<String>,
}

impl Tokens {
    /// From an answer of the issuer's, if there are tokens in it.
    pub(crate) fn deserialize_from(answer: &serde_json::Value) -> Option<Self> {
        Self::deserialize(answer).ok()
    }
}

/// The contents of the cookies; short names, since each request carries them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Contents {
    #[serde(rename = "a")]
    pub(crate) access: String,
    #[serde(rename = "r")]
    pub(crate) refresh: String,
    /// The token for the default audience, so that another gateway process needs no issuer to go on.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    /// When the refresh token expires if it is not used (Unix time).
    #[serde(rename = "t")]
    pub(crate) until: i64,
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) must_change_password: bool,
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) must_set_up_factor: bool,
}

/// What we read of an access token that the issuer has handed to us itself.
#[derive(Deserialize)]
struct Payload {
    sid: String,
    #[serde(rename = "gen")]
    generation: u64,
    iat: i64,
    exp: i64,
}

/// Position of a state in its session: of two the later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age {
    generation: u64,
    issued_at: i64,
}

impl Age {
    /// No state is later.
    pub(crate) const MAX: Self = Self { generation: u64::MAX, issued_at: i64::MAX };

    /// The last state that is of an earlier generation.
    pub(crate) const fn before(self) -> Self {
        Self { generation: self.generation.saturating_sub(1), issued_at: i64::MAX }
    }
}

/// A session.
pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) contents: Contents,
    generation: u64,
    /// When the access token was made (Unix time).
    pub(crate) issued_at: i64,
    /// When it expires (Unix time).
    pub(crate) expires_at: i64,
    /// The user behind, once the access token has been verified.
    pub(crate) principal: OnceLock<Arc<Principal>>,
    /// The cookies, once they have been written.
    pub(crate) cookies: OnceLock<Option<Vec<http::HeaderValue>>>,
}

impl Session {
    /// From what the issuer has just answered, at `now`. `None`: that is no access token of ours.
    pub(crate) fn new(tokens: Tokens, upstream: Option<String>, now: i64) -> Option<Self> {
        Self::open(Contents {
            access: tokens.access_token,
            refresh: tokens.refresh_token,
            upstream,
            until: now.saturating_add(tokens.refresh_expires_in),
            must_change_password: tokens.must_change_password,
            must_set_up_factor: tokens.must_set_up_factor,
        })
    }

    /// From what stood in the cookies.
    pub(crate) fn open(contents: Contents) -> Option<Self> {
        let payload = contents.access.split('.').nth(1)?;
        let payload: Payload = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Self {
            sid: payload.sid,
            contents,
            generation: payload.generation,
            issued_at: payload.iat,
            expires_at: payload.exp,
            principal: OnceLock::new(),
            cookies: OnceLock::new(),
        })
    }

    /// Where in its session this state stands.
    pub(crate) fn age(&self) -> Age {
        Age { generation: self.generation, issued_at: self.issued_at }
    }

    /// Seconds until the access token expires; not positive: it has.
    pub(crate) fn left(&self, now: i64) -> i64 {
        self.expires_at.saturating_sub(now)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A session in this state.
    pub(crate) fn session(sid: &str, generation: u64, iat: i64) -> Session {
        let payload = serde_json::json!({"sid": sid, "gen": generation, "iat": iat, "exp": iat + 900});
        let access = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let contents = Contents {
            access,
            refresh: format!("refresh-{generation}"),
            upstream: None,
            until: iat + 3600,
            must_change_password: false,
            must_set_up_factor: false,
        };
        Session::open(contents).expect("a session")
    }

    #[test]
    fn later_states_are_greater() {
        let ages: Vec<_> = [session("s", 1, 50), session("s", 2, 10), session("s", 2, 11)]
            .iter()
            .map(Session::age)
            .collect();
        assert!(ages.is_sorted(), "{ages:?}");
        assert_eq!(session("s", 1, 100).left(990), 10);
    }

    #[test]
    fn what_is_no_access_token_makes_no_session() {
        for access in ["", "a", "a.b.c", "a.e30.c"] {
            let contents = Contents {
                access: access.into(),
                refresh: String::new(),
                upstream: None,
                until: 0,
                must_change_password: false,
                must_set_up_factor: false,
            };
            assert!(Session::open(contents).is_none(), "{access}");
        }
    }
}
