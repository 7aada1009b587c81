//! The owner of an address who comes after somebody else has registered it. A provider vouches for them; for whoever
//! registered it nobody does. It may be the same person: so the user stays, with all that belongs to them, and loses
//! whatever somebody else could hold.

use portcullis_core::audit::EventKind;
use portcullis_core::mail::Template;
use portcullis_core::user::User;
use portcullis_store::addresses::Standing;
use portcullis_store::{StoreError, audit, claims, identities, outbox, pending, revocations};

use super::SocialError;
use crate::client::Client;
use crate::cx::Cx;
use crate::providers::{ExternalIdentity, Provider};

impl Cx {
    /// Gives `owner`, whose address was never shown to be theirs, to `person`.
    pub(super) async fn claim_for(
        &self,
        provider: &Provider,
        person: &ExternalIdentity,
        owner: &User,
        client: &Client,
    ) -> Result<(), SocialError> {
        let span = self.span();
        let now = span.now;
        let email = Some(owner.email.as_str().to_owned());
        let named = (provider.name().to_owned(), person.subject.clone());
        let new = self.new_identity(owner.id, named, email);
        let standing = Standing { user: owner.id, epoch: owner.credential_epoch, email: owner.email.clone() };
        let mut event = self.identity_event(EventKind::EmailClaimed, owner.id, provider.name());
        event.address = Some(client.address);
        let mut mail = self.mail_to(Template::AccountClaimed, &owner.email, Some(owner));
        mail.parameters.insert("provider".into(), provider.title().into());
        let claimed = self.store.write(move |tx| {
            let (new, standing) = (new.clone(), standing.clone());
            let (event, mail) = (event.clone(), mail.clone());
            Box::pin(async move {
                let Some(ended) = claims::claim(tx, &standing, now).await? else { return Ok(None) };
                if !identities::insert(tx, &new).await? {
                    return Err(StoreError::Refused);
                }
                pending::take_all(tx, standing.email.key()).await?;
                audit::append(tx, &event).await?;
                outbox::enqueue(tx, &mail).await?;
                revocations::append_all(tx, &ended, span).await?;
                Ok(Some(ended))
            })
        });
        let ended = match claimed.await {
            Ok(ended) => ended,
            // Somebody is that person by now: that is who they are.
            Err(StoreError::Refused) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(ended) = ended {
            self.mail_nudge();
            self.revoke_here(&ended, span);
        }
        Ok(())
    }
}
