//! Ending sessions: signing out here, everywhere, from the list, or by an operator. The session's access tokens
//! die in the same commit.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::{ParseError, RefreshToken};
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use portcullis_store::sessions::{self, End};
pub use portcullis_store::sessions::{Page, SessionView};
use portcullis_store::{StoreError, Tx, audit, revocations, trusted_devices};
use uuid::Uuid;

use crate::bearer::BearerError;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

/// Most entries of one page.
pub const MAX_PAGE: i64 = 100;

/// Ends a session, with its event; the ids of all that ended. What it had signed is still to be revoked.
pub(crate) async fn end(
    tx: &mut Tx,
    (which, session, cause): (End, SessionId, EndCause),
    mut event: Event,
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    let Some(ended) = sessions::end(tx, which, now, cause).await? else { return Ok(Vec::new()) };
    event.user = Some(ended.user);
    if is_by_holder(cause) {
        event.actor = event.actor.or(ended.actor);
    }
    audit::append(tx, &event).await?;
    // Whoever acts as another from this session stops with it.
    let mut ended = sessions::end_acting_from(tx, session, now).await?;
    ended.push(session.uuid());
    Ok(ended)
}

/// Whether it is whoever holds the session that ends it: the administrator, if one acts in it.
const fn is_by_holder(cause: EndCause) -> bool {
    match cause {
        EndCause::Logout | EndCause::ActingEnded | EndCause::Replaced => true,
        EndCause::LogoutEverywhere
        | EndCause::Revoked
        | EndCause::RevokedByOperator
        | EndCause::Reused
        | EndCause::PasswordChanged
        | EndCause::PasswordReset
        | EndCause::EmailChanged
        | EndCause::UserDisabled
        | EndCause::Displaced
        | EndCause::UserDeleted
        | EndCause::NotMe => false,
    }
}

impl Cx {
    /// Signs out with a refresh token, of whatever generation: who holds it may end its session. Unknown,
    /// expired and ended ones are no error; what cannot be committed is.
    pub async fn logout_with_token(&self, text: &str, client: &Client) -> Result<(), Fault> {
        let token = match RefreshToken::parse(text, &self.ring) {
            Ok(token) => token,
            Err(ParseError::Form | ParseError::Forged) => return Ok(()),
            Err(ParseError::UnknownKey(id)) => return self.judge_unknown_key(id).await,
        };
        let which = End::BySecret(token.session, token.secret.hash());
        self.end_session(which, token.session, EndCause::Logout, client).await.map(drop)
    }

    /// Signs out the session of an access token, even of an expired one.
    pub async fn logout_with_access_token(&self, token: &str, client: &Client) -> Result<(), BearerError> {
        let caller = self.session_of(token).await?;
        if let Some(session) = caller.session() {
            self.end_session(End::Own(session, caller.user), session, EndCause::Logout, client).await?;
        }
        Ok(())
    }

    /// Ends one of a user's own sessions; `false`: there is no such session.
    pub async fn revoke_session(&self, id: SessionId, user: UserId, client: &Client) -> Result<bool, Fault> {
        self.end_session(End::Own(id, user), id, EndCause::Revoked, client).await
    }

    /// Ends all sessions of a user; how many.
    pub async fn logout_everywhere(&self, user: UserId, client: &Client) -> Result<usize, Fault> {
        let mut event = self.event(EventKind::SessionEnded);
        event.actor = Some(user);
        event.address = Some(client.address);
        self.end_all_sessions(user, EndCause::LogoutEverywhere, event).await
    }

    /// Live sessions of a user.
    pub async fn list_sessions(&self, user: UserId, page: Page) -> Result<Vec<SessionView>, Fault> {
        Ok(self.store.live_sessions(user, self.clock.now(), page).await?)
    }

    /// The event of a session that ends.
    pub(crate) fn ended(&self, session: SessionId, cause: EndCause, client: &Client) -> Event {
        let mut event = self.event(EventKind::SessionEnded);
        event.session = Some(session);
        event.address = Some(client.address);
        event.detail.insert("cause".into(), cause.as_str().into());
        event
    }

    async fn end_session(
        &self,
        which: End,
        session: SessionId,
        cause: EndCause,
        client: &Client,
    ) -> Result<bool, Fault> {
        let event = self.ended(session, cause, client);
        self.end_one(which, session, cause, event).await
    }

    pub(crate) async fn end_one(
        &self,
        which: End,
        session: SessionId,
        cause: EndCause,
        event: Event,
    ) -> Result<bool, Fault> {
        let span = self.span();
        let ended = self
            .store
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move {
                    let ended = end(tx, (which, session, cause), event, span.now).await?;
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(ended)
                })
            })
            .await?;
        self.revoke_here(&ended, span);
        Ok(!ended.is_empty())
    }

    pub(crate) async fn end_all_sessions(
        &self,
        user: UserId,
        cause: EndCause,
        mut event: Event,
    ) -> Result<usize, Fault> {
        event.user = Some(user);
        event.detail.insert("cause".into(), cause.as_str().into());
        let span = self.span();
        let ended = self
            .store
            .write(move |tx| {
                let mut event = event.clone();
                Box::pin(async move {
                    let ended = sessions::end_all(tx, user, None, span.now, cause).await?;
                    event.detail.insert("sessions".into(), ended.len().into());
                    trusted_devices::remove_all(tx, user).await?;
                    audit::append(tx, &event).await?;
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(ended)
                })
            })
            .await?;
        self.revoke_here(&ended, span);
        Ok(ended.len())
    }
}
