//! Status lists (draft-ietf-oauth-status-list): the revocations once more, for verifiers that know this standard and
//! not our feed. Made of what this node has read of the list; nothing is stored for them but places.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use portcullis_core::session::Grant;
use portcullis_core::status_list::{StatusIndex, compressed};
use portcullis_core::time::Timestamp;
use portcullis_jose::{SigningKey, TokenStatus};
use serde::Serialize;

use crate::cx::Cx;
use crate::fault::Fault;

/// How long a list may be kept before it is fetched again.
pub const TTL: Duration = Duration::from_secs(30);
/// How long it may be relied on. Kept here for the [`TTL`] and there for as long, it has half of its life left.
const LIFETIME: Duration = Duration::from_mins(2);
/// Most lists that are kept: those of sixteen million sessions.
const KEPT: usize = 16;
/// How often a list that is not known may make us ask the database.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The lists of this node, as they were made last.
#[derive(Default)]
pub struct StatusLists {
    made: Mutex<Made>,
    /// One asks at a time.
    known: tokio::sync::Mutex<Known>,
}

/// Of one version of the revocations, by one key.
#[derive(Default)]
struct Made {
    version: u64,
    kid: String,
    lists: Vec<(u64, Timestamp, Bytes)>,
}

/// Up to where there are lists.
#[derive(Default)]
struct Known {
    highest: u64,
    asked: Option<Instant>,
}

/// A list before it is signed (section 5.1).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    ttl: u64,
    status_list: StatusList,
}

/// Section 4.2.
#[derive(Serialize)]
struct StatusList {
    bits: u8,
    lst: String,
}

impl Cx {
    /// What a token of `grant` says of its place.
    pub(crate) fn token_status(&self, grant: &Grant) -> Option<TokenStatus> {
        let (base, place) = (self.settings.status_lists.as_ref()?, grant.status_index?);
        Some(TokenStatus { idx: u64::from(place.bit()), uri: uri(base, place.list()) })
    }

    /// Status list `list`, signed; `None`: there is none, or they are off.
    ///
    /// # Errors
    /// The database has not been heard of for too long, or there is no key to sign with.
    pub async fn status_list(&self, list: u64) -> Result<Option<Bytes>, Fault> {
        let Some(base) = &self.settings.status_lists else { return Ok(None) };
        self.fresh_for()?;
        if !self.has_status_list(list).await? {
            return Ok(None);
        }
        let (signer, now) = (self.signer()?, self.clock.now());
        // Held while one is made, so that one is made.
        let mut made = self.status_lists.made.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.revoked.feed.version();
        if made.version != version || made.kid != signer.kid() {
            *made = Made { version, kid: signer.kid().to_owned(), lists: Vec::new() };
        }
        made.lists.retain(|(_, at, _)| *at <= now && now.since(*at) < TTL);
        if let Some((_, _, bytes)) = made.lists.iter().find(|(of, ..)| *of == list) {
            return Ok(Some(bytes.clone()));
        }
        let bytes = self.sign_status_list(&signer, &uri(base, list), list, now)?;
        if made.lists.len() == KEPT {
            made.lists.remove(0);
        }
        made.lists.push((list, now, bytes.clone()));
        Ok(Some(bytes))
    }

    fn sign_status_list(
        &self,
        signer: &SigningKey,
        uri: &str,
        list: u64,
        now: Timestamp,
    ) -> Result<Bytes, Fault> {
        let bits = URL_SAFE_NO_PAD.encode(compressed(&self.revoked.feed.ended_in(list)));
        let claims = Claims {
            iss: &self.settings.issuer,
            sub: uri,
            iat: now.seconds(),
            exp: (now + LIFETIME).seconds(),
            ttl: TTL.as_secs(),
            status_list: StatusList { bits: 1, lst: bits },
        };
        let broken = |error: &dyn std::fmt::Display| Fault::Internal(format!("a status list: {error}"));
        let payload = serde_json::to_vec(&claims).map_err(|error| broken(&error))?;
        let token = signer.sign_list("statuslist+jwt", &payload).map_err(|error| broken(&error))?;
        Ok(token.into())
    }

    /// Whether a token can name `list`. The one after the last is there before its first token is.
    async fn has_status_list(&self, list: u64) -> Result<bool, Fault> {
        let mut known = self.status_lists.known.lock().await;
        let is_there = |known: &Known| list <= known.highest.saturating_add(1);
        if is_there(&known) || known.asked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return Ok(is_there(&known));
        }
        let highest = self.store.highest_status_index().await?;
        known.asked = Some(Instant::now());
        // Never back: sessions are forgotten, numbers are not given again.
        known.highest = known.highest.max(highest.map_or(0, StatusIndex::list));
        Ok(is_there(&known))
    }
}

fn uri(base: &str, list: u64) -> String {
    format!("{base}/{list}")
}
