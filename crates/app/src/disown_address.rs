//! An address that somebody else gave as theirs. Its owner says so by the link that came to it: of a registration that is
//! under way, which is forgotten; or of a user, from whom whoever made them is shut out. Had the owner confirmed it
//! instead, what they do later by that address would let the other one in.

use portcullis_core::audit::EventKind;
use portcullis_core::link::{LinkPurpose, PresentedLink};
use portcullis_store::addresses::Standing;
use portcullis_store::links::{self, Link};
use portcullis_store::{StoreError, audit, claims, pending, revocations};

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::links::user_of;
use crate::reset_password::LinkError;

impl Cx {
    /// Whether a link in a mail is about the address of a user, as far as its form tells: nobody has looked yet whether
    /// it is good.
    pub fn is_of_user(&self, token: &str) -> bool {
        PresentedLink::parse(token).is_some_and(|link| link.purpose == LinkPurpose::VerifyEmail)
    }

    /// Says by a mailed link that it was somebody else who gave this address.
    pub async fn disown_address(&self, token: &str, client: &Client) -> Result<(), LinkError> {
        self.limit("email_verify", self.settings.rates.map(|rates| rates.email_verify), client).await?;
        let purposes = [LinkPurpose::Register, LinkPurpose::VerifyEmail];
        let link = self.link(token, &purposes).await?.ok_or(LinkError::InvalidLink)?;
        if link.facts.purpose == LinkPurpose::Register {
            self.forget_registration(&link).await
        } else {
            self.shut_out(&link, client).await
        }
    }

    async fn forget_registration(&self, link: &Link) -> Result<(), LinkError> {
        let (id, pending, now) = (link.facts.id, link.facts.subject, self.clock.now());
        let gone = self.store.write(move |tx| {
            Box::pin(async move { Ok(links::spend(tx, id, now).await? && pending::take(tx, pending).await?) })
        });
        if gone.await.map_err(Fault::from)? { Ok(()) } else { Err(LinkError::InvalidLink) }
    }

    /// The user stays, with nothing by which anybody signs in: a link to set a password brings the owner in.
    async fn shut_out(&self, link: &Link, client: &Client) -> Result<(), LinkError> {
        let span = self.span();
        let (id, user) = (link.facts.id, user_of(link));
        let standing = Standing { user, epoch: link.facts.epoch, email: link.email.clone() };
        let mut event = self.event(EventKind::EmailClaimed);
        (event.user, event.address) = (Some(user), Some(client.address));
        let claimed = self.store.write(move |tx| {
            let (standing, event) = (standing.clone(), event.clone());
            Box::pin(async move {
                if !links::spend(tx, id, span.now).await? {
                    return Ok(None);
                }
                // Of an administrator, or of whoever has shown the address by now: the link stays good for what it was for.
                let Some(ended) = claims::claim(tx, &standing, span.now).await? else {
                    return Err(StoreError::Refused);
                };
                audit::append(tx, &event).await?;
                revocations::append_all(tx, &ended, span).await?;
                Ok(Some(ended))
            })
        });
        let claimed = match claimed.await {
            Err(StoreError::Refused) => None,
            claimed => claimed.map_err(Fault::from)?,
        };
        let ended = claimed.ok_or(LinkError::InvalidLink)?;
        self.revoke_here(&ended, span);
        Ok(())
    }
}
