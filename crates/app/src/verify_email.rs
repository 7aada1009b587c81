//! Showing that an address is its user's, by a mailed link.
//!
//! The link is bound to the user, the address and the credential epoch: after any of them has changed it does nothing.

use portcullis_core::audit::EventKind;
use portcullis_core::link::LinkPurpose;
use portcullis_core::user::Email;
use portcullis_store::addresses::{self, Standing};
use portcullis_store::links::Link;
use portcullis_store::mail_requests::Asker;
use portcullis_store::{audit, links};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::LimitError;
use crate::links::user_of;
use crate::pending::Confirmation;
use crate::reset_password::LinkError;

/// Why no verification mail was asked for.
#[derive(Debug, Error)]
pub enum SendVerificationError {
    /// Addresses are not verified here.
    #[error("verification is off")]
    Disabled,
    /// It has been shown already.
    #[error("the address is verified")]
    AlreadyVerified,
    /// The rest.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl From<Fault> for SendVerificationError {
    fn from(fault: Fault) -> Self {
        Self::Link(fault.into())
    }
}

impl From<LimitError> for SendVerificationError {
    fn from(error: LimitError) -> Self {
        Self::Link(error.into())
    }
}

impl Cx {
    /// Mails the caller a link by which they show that their address is theirs.
    pub async fn send_own_verification(
        &self,
        caller: &Caller,
        client: &Client,
    ) -> Result<(), SendVerificationError> {
        self.may_send_verification(client).await?;
        let user = self.store.user(caller.user).await.map_err(Fault::from)?;
        let Some(user) = user else { return Ok(()) };
        if user.email_verified_at.is_some() || user.is_bot() {
            return Err(SendVerificationError::AlreadyVerified);
        }
        Ok(self.ask_for_mail(LinkPurpose::VerifyEmail, user.email, Asker::Anybody).await?)
    }

    /// The same for whoever has the address: the same answer, and as fast, for every one.
    pub async fn send_verification(&self, email: &str, client: &Client) -> Result<(), SendVerificationError> {
        self.may_send_verification(client).await?;
        let email = Email::parse("email", email).map_err(|error| LinkError::Invalid(vec![error]))?;
        Ok(self.ask_for_mail(LinkPurpose::VerifyEmail, email, Asker::Anybody).await?)
    }

    async fn may_send_verification(&self, client: &Client) -> Result<(), SendVerificationError> {
        if !self.runtime().verifies_email() {
            return Err(SendVerificationError::Disabled);
        }
        let rate = self.settings.rates.map(|rates| rates.send_verification);
        Ok(self.limit("send_verification", rate, client).await?)
    }

    /// Uses a link that shows whose an address is: of a user, of the new address of one, or of a registration, for which
    /// `confirmation` is.
    pub async fn verify_email(
        &self,
        token: &str,
        confirmation: Confirmation,
        client: &Client,
    ) -> Result<(), LinkError> {
        self.limit("email_verify", self.settings.rates.map(|rates| rates.email_verify), client).await?;
        let purposes = [LinkPurpose::VerifyEmail, LinkPurpose::ChangeEmail, LinkPurpose::Register];
        let link = self.link(token, &purposes).await?.ok_or(LinkError::InvalidLink)?;
        match link.facts.purpose {
            LinkPurpose::ChangeEmail => self.confirm_change(&link, client).await,
            LinkPurpose::Register => self.confirm_registration(&link, confirmation, client).await,
            _ => self.write_verified(&link, client).await,
        }
    }

    async fn write_verified(&self, link: &Link, client: &Client) -> Result<(), LinkError> {
        let now = self.clock.now();
        let user = user_of(link);
        let standing = Standing { user, epoch: link.facts.epoch, email: link.email.clone() };
        let mut event = self.event(EventKind::EmailVerified);
        event.user = Some(user);
        event.actor = Some(user);
        event.address = Some(client.address);
        let id = link.facts.id;
        let done = self
            .store
            .write(move |tx| {
                let (standing, event) = (standing.clone(), event.clone());
                Box::pin(async move {
                    let done = links::spend(tx, id, now).await?
                        && addresses::verify_email(tx, &standing, now).await?;
                    if done {
                        audit::append(tx, &event).await?;
                    }
                    Ok(done)
                })
            })
            .await
            .map_err(Fault::from)?;
        if done { Ok(()) } else { Err(LinkError::InvalidLink) }
    }
}
