//! Rotating a refresh token (RFC 9700 §4.14.2), without signing anybody out who only asked twice.
//!
//! 1. Form and MAC: garbage ends here, before the store. A forged MAC counts against its address; a right one
//!    never does. A node that cannot sign says so before it spends the token.
//! 2. Whose session it is, which the answer says: what cannot be read now must not have cost the token already, which
//!    would be theft when it comes back after the grace.
//! 3. Rotate: one guarded UPDATE. Of two racers one wins, in the database.
//! 4. Who lost is judged by the row as it is (`core::session::decide`): the same successor within the grace,
//!    theft after it. Theft ends the session, and that write is committed before the answer.
//! 5. Sign, outside of any transaction.

use std::time::Duration;

use portcullis_core::address::same_block;
use portcullis_core::audit::EventKind;
use portcullis_core::rate::Rate;
use portcullis_core::refresh_token::{ParseError, RefreshToken};
use portcullis_core::server_key::KeyId;
pub use portcullis_core::session::Carrier;
use portcullis_core::session::{Decision, EndCause, Grant, SessionState, decide};
use portcullis_store::sessions::{self, End, Judged};
use portcullis_store::{Rotate, audit};
use thiserror::Error;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};
use crate::tokens::{Tokens, UnknownAudience};

/// What somebody refreshes with.
pub struct RefreshRequest {
    /// The token.
    pub token: String,
    /// How it came: a token of a cookie session in a body is none, nor one in the cookie of another kind.
    pub carrier: Carrier,
    /// Only for this audience.
    pub audience: Option<String>,
}

/// Why there is no successor.
#[derive(Debug, Error)]
pub enum RefreshError {
    /// Not a token of a session of ours, or not carried as it should be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The session was ended, or goes on under another secret.
    #[error("revoked")]
    Revoked {
        /// Whoever held this token has been given another since, which they must not lose.
        superseded: bool,
    },
    /// The session ran out.
    #[error("expired")]
    Expired,
    /// Theft. The session is ended.
    #[error("reused")]
    Reused,
    /// Not an audience of ours.
    #[error("unknown audience")]
    UnknownAudience,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for RefreshError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<UnknownAudience> for RefreshError {
    fn from(_: UnknownAudience) -> Self {
        Self::UnknownAudience
    }
}

impl From<portcullis_store::StoreError> for RefreshError {
    fn from(error: portcullis_store::StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// How often a token that looks current but loses is tried again. Each round means that somebody else wrote.
const ROUNDS: usize = 5;

/// By a change of password, which gives a live session a new secret, or by the sign-in that took its place.
const fn is_superseded(state: SessionState) -> bool {
    matches!(state, SessionState::Live | SessionState::Ended { cause: EndCause::Replaced, .. })
}

impl Cx {
    /// Exchanges a refresh token for its successor.
    pub async fn refresh(&self, request: RefreshRequest, client: &Client) -> Result<Tokens, RefreshError> {
        let audiences = self.audiences(request.audience.as_deref())?;
        // 1.
        let token = self.parse_refresh(&request.token, client).await?;
        self.signer()?;
        // 2.
        let user = self.store.user_of_session(token.session).await?;
        let user = user.ok_or(RefreshError::Invalid("no such session"))?;
        // 3. and 4.
        let (grant, key) = self.rotate(&token, request.carrier, client).await?;
        // 5.
        let refresh_token = token.successor().to_text(key, &self.ring).ok_or(Fault::ServerKeyMissing(key))?;
        let (access_token, expires_in) = self.sign_access(&grant, audiences).await?;
        Ok(Tokens {
            access_token,
            expires_in,
            refresh_token,
            refresh_expires_in: self.refresh_lifetime(&grant),
            must_set_up_factor: self.must_set_up_factor(&grant),
            grant,
            user,
            device_token: None,
        })
    }

    /// Form and MAC.
    pub(crate) async fn parse_refresh(
        &self,
        text: &str,
        client: &Client,
    ) -> Result<RefreshToken, RefreshError> {
        match RefreshToken::parse(text, &self.ring) {
            Ok(token) => Ok(token),
            Err(ParseError::Form) => Err(RefreshError::Invalid("form")),
            Err(ParseError::UnknownKey(id)) => {
                self.judge_unknown_key(id).await?;
                Err(self.forged(client).await)
            }
            Err(ParseError::Forged) => Err(self.forged(client).await),
        }
    }

    /// Counts a forgery against its address.
    async fn forged(&self, client: &Client) -> RefreshError {
        metrics::counter!("portcullis_refresh_forged_total").increment(1);
        let rate = self.settings.rates.map(|rates| rates.refresh_forgeries);
        match self.limit("refresh_forgeries", rate, client).await {
            Ok(()) => RefreshError::Invalid("forged"),
            Err(error) => error.into(),
        }
    }

    fn rotate_command(&self, token: &RefreshToken, carrier: Carrier, client: &Client) -> Rotate {
        let now = self.clock.now();
        let rules = self.settings.rotation_rules();
        Rotate {
            session: token.session.uuid(),
            generation: i64::from(token.generation),
            secret_hash: token.secret.hash().0,
            key_id: i64::from(self.ring.current().id().0),
            now: now.micros(),
            idle_ends_at: (now + self.settings.lifetimes.refresh).micros(),
            address: client.address.to_string(),
            device: client.device.clone(),
            carrier,
            most: rules.per_minute.map_or(i64::MAX, i64::from),
        }
    }

    /// What the successor says, and the server key under which it is made.
    async fn rotate(
        &self,
        token: &RefreshToken,
        carrier: Carrier,
        client: &Client,
    ) -> Result<(Grant, KeyId), RefreshError> {
        for _ in 0..ROUNDS {
            let command = self.rotate_command(token, carrier, client);
            let own_key = self.ring.current().id();
            if let Some(grant) = self.store.rotate(command.clone()).await? {
                metrics::counter!("portcullis_refresh_rotated_total").increment(1);
                return Ok((grant, own_key));
            }
            let Some(judged) = self.store.judged(token.session).await? else {
                return Err(RefreshError::Invalid("no such session"));
            };
            if carrier != Carrier::of(&judged.grant) {
                return Err(RefreshError::Invalid("carried the wrong way"));
            }
            match decide(token, &judged.chain, self.clock.now(), self.settings.rotation_rules()) {
                // Somebody wrote in between: look again.
                Decision::Rotate => {}
                Decision::Ahead => {
                    if let Some(grant) = self.rotate_ahead(command, client).await? {
                        return Ok((grant, own_key));
                    }
                }
                Decision::Replay => return self.replay(judged, client).await,
                Decision::Reused => return Err(self.end_reused(token, client).await?),
                Decision::Revoked => {
                    return Err(RefreshError::Revoked { superseded: is_superseded(judged.chain.state) });
                }
                Decision::Expired => return Err(RefreshError::Expired),
                Decision::RateLimited { retry_after } => return Err(self.limited(retry_after)),
            }
        }
        Err(Fault::StoreUnavailable("the session's row keeps changing".into()).into())
    }

    fn limited(&self, retry_after: Duration) -> RefreshError {
        // What is enforced is per minute, whatever the period of the setting.
        let rate = Rate::per_minute(self.settings.rotation_rules().per_minute.unwrap_or(1));
        let retry_after = retry_after.max(Duration::from_secs(1));
        RefreshError::Limited(Limited { name: "refresh", retry_after, rate })
    }

    async fn rotate_ahead(&self, command: Rotate, client: &Client) -> Result<Option<Grant>, RefreshError> {
        let mut event = self.event(EventKind::RefreshAhead);
        event.address = Some(client.address);
        event.detail.insert("presented".into(), command.generation.into());
        tracing::warn!(session.id = %command.session, "a refresh token was ahead of its row: was the database set back?");
        let grant = self
            .store
            .write(move |tx| {
                let (command, mut event) = (command.clone(), event.clone());
                Box::pin(async move {
                    let grant = sessions::rotate_ahead(tx, &command).await?;
                    if let Some(grant) = &grant {
                        event.user = Some(grant.user);
                        event.session = Some(grant.session);
                        audit::append(tx, &event).await?;
                    }
                    Ok(grant)
                })
            })
            .await?;
        Ok(grant)
    }

    /// The same successor again, computed from the token in hand. Writes nothing and moves no window.
    async fn replay(&self, judged: Judged, client: &Client) -> Result<(Grant, KeyId), RefreshError> {
        if let Some(rates) = &self.settings.rates {
            let counter = self.counter("refresh replays", &[judged.grant.session.uuid().as_bytes()]);
            let (now, rate) = (self.clock.now(), rates.refresh_replays);
            let limited = |retry_after| Limited { name: "refresh_replays", retry_after, rate };
            self.limits
                .take_local(counter, rate, now)
                .map_err(|wait| RefreshError::Limited(limited(wait)))?;
        }
        metrics::counter!("portcullis_refresh_replayed_total").increment(1);
        let near = judged.address.parse().is_ok_and(|address| same_block(address, client.address));
        if !near || judged.device != client.device {
            self.note_replay_from_elsewhere(&judged.grant, client).await;
        }
        Ok((judged.grant, judged.chain.key_id))
    }

    /// For the audit log. That it cannot be written now is no reason to sign somebody out.
    async fn note_replay_from_elsewhere(&self, grant: &Grant, client: &Client) {
        metrics::counter!("portcullis_refresh_replayed_elsewhere_total").increment(1);
        let mut event = self.event(EventKind::RefreshReplayedElsewhere);
        event.user = Some(grant.user);
        event.session = Some(grant.session);
        event.address = Some(client.address);
        let written = self.store.write_one(move |tx| {
            let event = event.clone();
            Box::pin(async move { audit::append(tx, &event).await })
        });
        if let Err(error) = written.await {
            tracing::warn!(session.id = %grant.session, %error, "a replay from elsewhere is not in the audit log");
        }
    }

    /// Ends a session whose spent token came back. What to answer: `Reused` once, `Revoked` after that.
    async fn end_reused(&self, token: &RefreshToken, client: &Client) -> Result<RefreshError, RefreshError> {
        let mut event = self.event(EventKind::RefreshReused);
        event.session = Some(token.session);
        event.address = Some(client.address);
        event.detail.insert("presented".into(), token.generation.into());
        event.detail.insert("cause".into(), EndCause::Reused.as_str().into());
        let which = End::BySecret(token.session, token.secret.hash());
        if !self.end_one(which, token.session, EndCause::Reused, event).await? {
            return Ok(RefreshError::Revoked { superseded: false });
        }
        metrics::counter!("portcullis_refresh_reused_total").increment(1);
        tracing::warn!(session.id = %token.session, client.address = %client.address, "a spent refresh token came back; the session is ended");
        Ok(RefreshError::Reused)
    }
}
