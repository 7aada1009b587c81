//! A new password for whoever has lost theirs, by a mailed link.
//!
//! 1. Asking: the same answer, and as fast, for every address (see [`crate::mail_requests`]).
//! 2. Using the link: form, MAC, lifetime; then the new password's rules, so that a bad one does not spend the link.
//! 3. One transaction: spend the link, set the hash if address and credential epoch are still what the link was made
//!    for, end every session and, unless told otherwise, every API token. Other links to the user die with the epoch.
//!    Who the user is at other providers stays, unless the address was not shown to be theirs before: then it may be
//!    somebody else who registered it.

use portcullis_core::audit::EventKind;
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::Template;
use portcullis_core::random;
use portcullis_core::session::EndCause;
use portcullis_core::user::{Email, User, Username};
use portcullis_core::validation::FieldError;
use portcullis_store::addresses::{self, Standing};
use portcullis_store::links::Link;
use portcullis_store::mail_requests::Asker;
use portcullis_store::{StoreError, api_tokens, audit, claims, links, outbox, revocations, sessions};
use thiserror::Error;

use crate::admission::NotAdmitted;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::Lane;
use crate::limits::{LimitError, Limited};
use crate::links::user_of;
use crate::register::new_password;

/// What to set.
pub struct PasswordReset {
    /// The token of the link.
    pub token: String,
    /// The new password.
    pub new: String,
    /// API tokens end too.
    pub revoke_api_tokens: bool,
}

/// Why a link did nothing, or no mail was asked for.
#[derive(Debug, Error)]
pub enum LinkError {
    /// Wrong, used, too old, or what it was made for has changed.
    #[error("the link is not good")]
    InvalidLink,
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// Somebody else has the address.
    #[error("the address is taken")]
    EmailTaken,
    /// Not the password of the registration.
    #[error("{0}")]
    WrongPassword(&'static str),
    /// What let them register is good no more.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for LinkError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Cx {
    /// Mails a link to set a new password, if somebody has the address.
    pub async fn forgot_password(&self, email: &str, client: &Client) -> Result<(), LinkError> {
        self.limit("password_forgot", self.settings.rates.map(|rates| rates.password_forgot), client).await?;
        let email = Email::parse("email", email).map_err(|error| LinkError::Invalid(vec![error]))?;
        Ok(self.ask_for_mail(LinkPurpose::ResetPassword, email, Asker::Anybody).await?)
    }

    /// Whether the token of a link to set a new password is good now. Spends nothing.
    pub async fn reset_link_is_good(&self, token: &str, client: &Client) -> Result<bool, LinkError> {
        self.limit("password_reset", self.settings.rates.map(|rates| rates.password_reset), client).await?;
        Ok(self.resettable(token).await?.is_some())
    }

    /// Sets a new password.
    pub async fn reset_password(&self, reset: PasswordReset, client: &Client) -> Result<(), LinkError> {
        self.limit("password_reset", self.settings.rates.map(|rates| rates.password_reset), client).await?;
        // 2.
        let (link, user) = self.resettable(&reset.token).await?.ok_or(LinkError::InvalidLink)?;
        let mut context = vec![user.email.as_str()];
        context.extend(user.profile.name.as_deref());
        context.extend(user.username.as_ref().map(Username::as_str));
        let new = new_password("new_password", reset.new, &self.settings.password_policy, &context)
            .map_err(|error| LinkError::Invalid(vec![error]))?;
        let hash = self.hasher.hash(Lane::Known, new, random::bytes(&*self.random)).await;
        // 3.
        self.write_reset(&link, &user, (hash.map_err(Fault::from)?, reset.revoke_api_tokens), client).await
    }

    /// The link of `token` and its user, if nothing has changed since it was made.
    async fn resettable(&self, token: &str) -> Result<Option<(Link, User)>, Fault> {
        let Some(link) = self.link(token, &[LinkPurpose::ResetPassword]).await? else { return Ok(None) };
        let user = self.store.user(user_of(&link)).await?;
        let user = user.filter(|user| {
            user.disabled_at.is_none()
                && user.credential_epoch == link.facts.epoch
                && user.email.key() == link.facts.email_key
        });
        Ok(user.map(|user| (link, user)))
    }

    async fn write_reset(
        &self,
        link: &Link,
        user: &User,
        (hash, revoke_api_tokens): (String, bool),
        client: &Client,
    ) -> Result<(), LinkError> {
        let span = self.span();
        let now = span.now;
        let standing = Standing { user: user.id, epoch: link.facts.epoch, email: link.email.clone() };
        let mut event = self.event(EventKind::PasswordReset);
        event.user = Some(user.id);
        event.actor = Some(user.id);
        event.address = Some(client.address);
        let (id, mail) = (link.facts.id, self.mail_to(Template::PasswordChanged, &user.email, Some(user)));
        let written = self
            .store
            .write(move |tx| {
                let (standing, hash) = (standing.clone(), hash.clone());
                let (event, mail) = (event.clone(), mail.clone());
                Box::pin(async move {
                    if !links::spend(tx, id, now).await? {
                        return Ok(None);
                    }
                    // Whoever registered it may not have been its owner, who comes now.
                    let mut ended = claims::forget_unproved(tx, standing.user, now).await?;
                    if !addresses::reset_password(tx, &standing, &hash, now).await? {
                        // Nothing was forgotten, either.
                        return Err(StoreError::Refused);
                    }
                    let user = standing.user;
                    ended.extend(sessions::end_all(tx, user, None, now, EndCause::PasswordReset).await?);
                    if revoke_api_tokens {
                        ended.extend(api_tokens::revoke_all(tx, user, now).await?);
                    }
                    audit::append(tx, &event).await?;
                    outbox::enqueue(tx, &mail).await?;
                    // The list comes last: whoever holds its lock waits for no row.
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(Some(ended))
                })
            })
            .await;
        let written = match written {
            Err(StoreError::Refused) => None,
            written => written.map_err(Fault::from)?,
        };
        let ended = written.ok_or(LinkError::InvalidLink)?;
        self.mail_nudge();
        self.revoke_here(&ended, span);
        Ok(())
    }
}
