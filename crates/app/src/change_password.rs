//! Changing a password. This session goes on with a new secret, every other one ends.
//!
//! 1. Rate limit, then the old password: its attempts are counted as a sign-in's are, in a bucket of this
//!    session.
//! 2. One transaction: set the hash and move the credential epoch, if it has not moved since the old password
//!    was read; then end the other sessions, give this one a new secret, append to the revocations.
//! 3. Sign.

use portcullis_core::audit::EventKind;
use portcullis_core::mail::Template;
use portcullis_core::password::Password;
use portcullis_core::random;
use portcullis_core::refresh_token::{SecretHash, SessionSecret};
use portcullis_core::session::{EndCause, Grant};
use portcullis_core::user::{User, Username};
use portcullis_core::validation::FieldError;
use portcullis_store::sessions::{self, Renewal};
use portcullis_store::users::{self, Credentials, NewPassword};
use portcullis_store::{StoreError, api_tokens, audit, outbox, revocations};
use thiserror::Error;
use uuid::Uuid;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::{Lane, Verified};
use crate::limits::{LimitError, Limited};
use crate::login::{Check, Outcome};
use crate::register::new_password;
use crate::tokens::Tokens;

/// What to change.
pub struct PasswordChange {
    /// The password as it is.
    pub current: Password,
    /// As it shall be.
    pub new: String,
    /// API tokens end too.
    pub revoke_api_tokens: bool,
}

/// What the change writes of new secrets.
struct NewSecrets {
    password_hash: String,
    session: SecretHash,
    revoke_api_tokens: bool,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum ChangePasswordError {
    /// The current password is wrong.
    #[error("{0}")]
    WrongPassword(&'static str),
    /// There is none.
    #[error("the user has no password")]
    NoPassword,
    /// The new one is the old one.
    #[error("the password is the same")]
    Unchanged,
    /// The new one may not be used.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// The session has ended, or what proves the user has changed, in between.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for ChangePasswordError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Cx {
    /// Changes the caller's password.
    pub async fn change_password(
        &self,
        caller: &Caller,
        change: PasswordChange,
        client: &Client,
    ) -> Result<Tokens, ChangePasswordError> {
        // A node that cannot sign must not spend the session's tokens.
        self.signer()?;
        // 1.
        self.limit("password_change", self.settings.rates.map(|rates| rates.password_change), client).await?;
        let found = self.store.credentials(caller.user).await.map_err(Fault::from)?;
        let found = found.ok_or(ChangePasswordError::SessionEnded)?;
        if found.password_hash.is_none() {
            return Err(ChangePasswordError::NoPassword);
        }
        let proved = self.prove_password(caller, &found, change.current).await?;
        proved.map_err(ChangePasswordError::WrongPassword)?;
        let hash = self.hash_new(&found, change.new).await?;
        // 2.
        let secret = SessionSecret::new(&*self.random);
        let revoke_api_tokens = change.revoke_api_tokens;
        let new = NewSecrets { password_hash: hash, session: secret.hash(), revoke_api_tokens };
        let (grant, ended) = self.write_password(caller, &found.user, new, client).await?;
        let span = self.span();
        self.mail_nudge();
        self.revoke_here(&ended, span);
        self.revoke_here_upto(grant.session.uuid(), grant.generation.saturating_sub(1), span);
        // 3.
        // As the transaction left the row: nothing that could fail comes after the commit.
        let user = User {
            must_change_password: false,
            credential_epoch: found.user.credential_epoch + 1,
            version: found.user.version + 1,
            ..found.user
        };
        let device = portcullis_core::ids::DeviceId::new(span.now, &*self.random);
        let epoch = user.credential_epoch;
        let device_token = portcullis_core::device_token::issue(user.id, device, epoch, &self.ring);
        let tokens = self.first_tokens(grant, secret, caller.claims.aud.clone(), user).await?;
        Ok(Tokens { device_token: Some(device_token), ..tokens })
    }

    /// Whether `current` is the caller's password, or why not. Wrong ones are counted as a sign-in's are.
    pub(crate) async fn prove_password(
        &self,
        caller: &Caller,
        found: &Credentials,
        current: Password,
    ) -> Result<Result<(), &'static str>, Fault> {
        let bucket = self.counter("attempts of session", &[caller.sid.as_bytes()]);
        let check = Check { found: Some(found), bucket, lane: Lane::Known };
        match self.check_password(check, current).await? {
            Outcome::Right { attempt, .. } => {
                if let Some(bucket) = attempt.to_forgive() {
                    self.store.forgive_attempts(bucket).await?;
                }
                Ok(Ok(()))
            }
            Outcome::Wrong(why) => Ok(Err(why)),
        }
    }

    async fn hash_new(&self, found: &Credentials, text: String) -> Result<String, ChangePasswordError> {
        let user = &found.user;
        let mut context = vec![user.email.as_str()];
        context.extend(user.profile.name.as_deref());
        context.extend(user.username.as_ref().map(Username::as_str));
        let new = new_password("new_password", text, &self.settings.password_policy, &context)
            .map_err(|error| ChangePasswordError::Invalid(vec![error]))?;
        let same = self.hasher.verify(Lane::Known, new.clone(), found.password_hash.as_deref()).await;
        if let Verified::Match { .. } = same.map_err(Fault::from)? {
            return Err(ChangePasswordError::Unchanged);
        }
        let hash = self.hasher.hash(Lane::Known, new, random::bytes(&*self.random)).await;
        Ok(hash.map_err(Fault::from)?)
    }

    async fn write_password(
        &self,
        caller: &Caller,
        user: &User,
        secrets: NewSecrets,
        client: &Client,
    ) -> Result<(Grant, Vec<Uuid>), ChangePasswordError> {
        let span = self.span();
        let now = span.now;
        let session = caller.session().ok_or(ChangePasswordError::SessionEnded)?;
        let NewSecrets { password_hash: hash, session: secret_hash, revoke_api_tokens } = secrets;
        let new = NewPassword { user: user.id, epoch: user.credential_epoch, hash, must_change: false, now };
        let renewal = Renewal {
            session,
            user: user.id,
            secret_hash,
            key_id: self.ring.current().id(),
            now,
            idle_ends_at: now + self.settings.lifetimes.refresh,
        };
        let mut event = self.event(EventKind::PasswordChanged);
        event.user = Some(user.id);
        event.actor = Some(user.id);
        event.session = Some(session);
        event.address = Some(client.address);
        let mail = self.mail_to(Template::PasswordChanged, &user.email, Some(user));
        let written = self
            .store
            .write(move |tx| {
                let (new, renewal, event) = (new.clone(), renewal.clone(), event.clone());
                let mail = mail.clone();
                Box::pin(async move {
                    // The user's row first: whoever makes a session at the same time waits for us, or we for them.
                    if !users::set_password(tx, &new).await? {
                        return Ok(None);
                    }
                    // A session that was ended meanwhile may not change anything: all of it is undone.
                    let Some(mut grant) = sessions::renew(tx, &renewal).await? else {
                        return Err(StoreError::Refused);
                    };
                    let others = Some(renewal.session);
                    let mut ended =
                        sessions::end_all(tx, new.user, others, now, EndCause::PasswordChanged).await?;
                    sessions::copy_user(tx, new.user).await?;
                    let tokens = if revoke_api_tokens {
                        api_tokens::revoke_all(tx, new.user, now).await?
                    } else {
                        Vec::new()
                    };
                    audit::append(tx, &event).await?;
                    outbox::enqueue(tx, &mail).await?;
                    // The list comes last: whoever holds its lock waits for no row.
                    let before = grant.generation.saturating_sub(1);
                    // The tokens that are handed out now name another place than the ones that end here.
                    grant.status_index =
                        revocations::append_upto(tx, renewal.session.uuid(), before, span).await?;
                    ended.extend(tokens);
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(Some((grant, ended)))
                })
            })
            .await;
        match written {
            Ok(Some((grant, ended))) => Ok((grant, ended)),
            Ok(None) | Err(StoreError::Refused) => Err(ChangePasswordError::SessionEnded),
            Err(error) => Err(Fault::from(error).into()),
        }
    }
}
