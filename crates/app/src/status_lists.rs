//! Status lists (draft-ietf-oauth-status-list): the revocations once more, for verifiers that know this standard and
//! not our feed. Made of what this node has read of the list; nothing is stored for them but places.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
use crate::turn::Turn;

/// How long a list may be kept before it is fetched again.
pub const TTL: Duration = Duration::from_secs(30);
/// How long it may be relied on. Kept here for the [`TTL`] and there for as long, it has half of its life left.
const LIFETIME: Duration = Duration::from_mins(2);
/// Most lists that are kept: those of sixteen million sessions.
const KEPT: usize = 16;
/// A list is made again no sooner than this, however often sessions end: it costs some milliseconds, and anybody may
/// ask.
const SOONEST: Duration = Duration::from_secs(1);

/// The lists of this node, as they were made last.
#[derive(Default)]
pub struct StatusLists {
    made: Mutex<Vec<Made>>,
    /// One is made at a time.
    making: tokio::sync::Mutex<()>,
    /// Up to where there are lists.
    highest: AtomicU64,
    /// Asking for one beyond makes us read up to where they are now.
    turn: Turn,
}

/// A list of one version of the revocations, by one key.
struct Made {
    list: u64,
    version: u64,
    kid: String,
    at: Timestamp,
    token: Bytes,
}

impl StatusLists {
    fn made(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one after the last is there before its first token is.
    fn has(&self, list: u64) -> bool {
        list <= self.highest.load(Ordering::Relaxed).saturating_add(1)
    }

    fn keep(&self, new: Made) {
        let mut made = self.made();
        made.retain(|old| old.list != new.list);
        if made.len() == KEPT {
            made.remove(0);
        }
        made.push(new);
    }
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
        let signer = self.signer()?;
        if let Some(token) = self.made_before(list, signer.kid()) {
            return Ok(Some(token));
        }
        let _making = self.status_lists.making.lock().await;
        if let Some(token) = self.made_before(list, signer.kid()) {
            return Ok(Some(token));
        }
        let (version, now) = (self.revoked.feed.version(), self.clock.now());
        let kid = signer.kid().to_owned();
        let token = self.sign_status_list(signer, uri(base, list), list, now).await?;
        self.status_lists.keep(Made { list, version, kid, at: now, token: token.clone() });
        Ok(Some(token))
    }

    /// One that is good enough to be given out again.
    fn made_before(&self, list: u64, kid: &str) -> Option<Bytes> {
        let (version, now) = (self.revoked.feed.version(), self.clock.now());
        let is_good = |made: &&Made| {
            let longest = if made.version == version { TTL } else { SOONEST };
            made.list == list && made.kid == kid && made.at <= now && now.since(made.at) < longest
        };
        self.status_lists.made().iter().find(is_good).map(|made| made.token.clone())
    }

    async fn sign_status_list(
        &self,
        signer: Arc<SigningKey>,
        uri: String,
        list: u64,
        now: Timestamp,
    ) -> Result<Bytes, Fault> {
        let (ended, iss) = (self.revoked.feed.ended_in(list), self.settings.issuer.clone());
        let broken = |error: &dyn std::fmt::Display| Fault::Internal(format!("a status list: {error}"));
        // Too long for a thread that others wait for.
        let made = tokio::task::spawn_blocking(move || {
            let claims = Claims {
                iss: &iss,
                sub: &uri,
                iat: now.seconds(),
                exp: (now + LIFETIME).seconds(),
                ttl: TTL.as_secs(),
                status_list: StatusList { bits: 1, lst: URL_SAFE_NO_PAD.encode(compressed(&ended)) },
            };
            let payload = serde_json::to_vec(&claims).map_err(|error| broken(&error))?;
            signer.sign_list("statuslist+jwt", &payload).map_err(|error| broken(&error))
        });
        Ok(made.await.map_err(|error| broken(&error))??.into())
    }

    /// Whether a token can name `list`. A list that is known waits for nobody who asks for others.
    async fn has_status_list(&self, list: u64) -> Result<bool, Fault> {
        let lists = &self.status_lists;
        if lists.has(list) {
            return Ok(true);
        }
        lists.turn.take(self.read_highest()).await?;
        Ok(lists.has(list))
    }

    async fn read_highest(&self) -> Result<(), Fault> {
        let highest = self.store.highest_status_index().await?;
        // Never back: sessions are forgotten, numbers are not given again.
        self.status_lists.highest.fetch_max(highest.map_or(0, StatusIndex::list), Ordering::Relaxed);
        Ok(())
    }
}

fn uri(base: &str, list: u64) -> String {
    format!("{base}/{list}")
}
