//! Who a user is at other providers: linked and unlinked from a session of theirs in which they have just signed in.

use portcullis_core::audit::EventKind;
use portcullis_core::external::Identity;
use portcullis_core::ids::{IdentityId, UserId};
use portcullis_core::mail::Template;
use portcullis_store::identities::{self, Link};
use portcullis_store::oauth_flows::Linker;
use portcullis_store::sessions::{Asker, hold_asker};
use portcullis_store::{StoreError, audit, outbox};
use thiserror::Error;

use super::SocialError;
use super::finish::Taken;
use super::start::{StartRequest, Started};
use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::fresh::FreshError;
use crate::providers::ExternalIdentity;

/// Why somebody is not sent to a provider to be known by way of it.
#[derive(Debug, Error)]
pub enum LinkError {
    /// They must have signed in a moment ago.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The rest.
    #[error(transparent)]
    Social(#[from] SocialError),
}

impl From<Fault> for LinkError {
    fn from(fault: Fault) -> Self {
        Self::Social(fault.into())
    }
}

/// Why an identity is still linked.
#[derive(Debug, Error)]
pub enum UnlinkError {
    /// They must have signed in a moment ago.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// They could not sign in any more.
    #[error("it is the last way to sign in")]
    LastWayIn,
    /// They have no such identity.
    #[error("no such identity")]
    NotFound,
    /// The session has ended, or the user is disabled.
    #[error("the user has changed meanwhile")]
    Moved,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Sends a user to a provider, to be known by way of it.
    pub async fn start_link(
        &self,
        caller: &Caller,
        request: StartRequest,
        client: &Client,
    ) -> Result<Started, LinkError> {
        let provider = self.provider(&request.provider)?;
        let rate = self.settings.rates.map(|rates| rates.login);
        self.limit("oauth_start", rate, client).await.map_err(SocialError::from)?;
        let asker = caller.asker().ok_or(FreshError::NoUser)?;
        let found = self.require_fresh(caller).await?;
        let linker = Linker { user: asker.user, session: asker.session, epoch: found.user.credential_epoch };
        Ok(self.begin(&provider, request, Some(linker)).await?)
    }

    /// `person`, back from there, is the user who went; if their session lives and nothing that proves them has changed.
    pub(super) async fn link_person(
        &self,
        taken: &Taken,
        linker: Linker,
        person: ExternalIdentity,
        client: &Client,
    ) -> Result<Identity, SocialError> {
        let user = self.store.user(linker.user).await?;
        let user = user.ok_or(SocialError::Refused("whoever wanted to link is gone"))?;
        let email = person.email.map(|email| email.address.as_str().to_owned());
        let new = self.new_identity(user.id, (taken.provider.name().to_owned(), person.subject), email);
        let mut event = self.identity_event(EventKind::IdentityLinked, user.id, taken.provider.name());
        (event.session, event.address) = (Some(linker.session), Some(client.address));
        event.detail.insert("by".into(), "link".into());
        let mail = self.linked_mail(&user, &taken.provider);
        let (asker, now) = (Asker { user: user.id, session: linker.session }, self.clock.now());
        let wanted = new.clone();
        let written = self.store.write(move |tx| {
            let (new, event, mail) = (wanted.clone(), event.clone(), mail.clone());
            Box::pin(async move {
                if hold_asker(tx, asker, false, now).await?.is_none() {
                    return Ok(Link::Moved);
                }
                let done = identities::link(tx, &new, linker.epoch).await?;
                if done == Link::Done {
                    audit::append(tx, &event).await?;
                    outbox::enqueue(tx, &mail).await?;
                }
                Ok(done)
            })
        });
        match written.await? {
            Link::Done => {
                self.mail_nudge();
                Ok(new)
            }
            Link::Own => self.own_identity(&new).await,
            Link::Taken => Err(SocialError::IdentityTaken),
            Link::Moved => Err(SocialError::Refused("the session that wanted to link has ended or changed")),
        }
    }

    async fn own_identity(&self, like: &Identity) -> Result<Identity, SocialError> {
        let all = self.store.identities(like.user).await?;
        let own = all.into_iter().find(|one| one.provider == like.provider && one.subject == like.subject);
        own.ok_or(SocialError::Refused("the identity was unlinked this very moment"))
    }

    /// Who a user is at other providers.
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>, Fault> {
        Ok(self.store.identities(user).await?)
    }

    /// Forgets who the caller is at a provider, unless they could not sign in any more.
    pub async fn unlink(&self, caller: &Caller, id: IdentityId, client: &Client) -> Result<(), UnlinkError> {
        let asker = caller.asker().ok_or(UnlinkError::Moved)?;
        let found = self.require_fresh(caller).await?;
        let now = self.clock.now();
        let all = self.store.identities(caller.user).await.map_err(Fault::from)?;
        let gone = all.into_iter().find(|one| one.id == id).ok_or(UnlinkError::NotFound)?;
        let mut event = self.identity_event(EventKind::IdentityUnlinked, caller.user, &gone.provider);
        (event.session, event.address) = (caller.session(), Some(client.address));
        let title = self.providers.get(&gone.provider).map(|provider| provider.title().to_owned());
        let mut mail = self.mail_to(Template::IdentityUnlinked, &found.user.email, Some(&found.user));
        mail.parameters.insert("provider".into(), title.unwrap_or(gone.provider).into());
        let usable = self.usable_ways();
        let unlinked = self.store.write(move |tx| {
            let (event, mail, usable) = (event.clone(), mail.clone(), usable.clone());
            Box::pin(async move {
                if hold_asker(tx, asker, false, now).await?.is_none() {
                    return Ok(Err(UnlinkError::Moved));
                }
                if identities::unlink(tx, id, asker.user, now).await?.is_none() {
                    return Ok(Err(UnlinkError::NotFound));
                }
                if !crate::ways_in::is_left(tx, asker.user, &usable).await? {
                    return Err(StoreError::Refused);
                }
                audit::append(tx, &event).await?;
                outbox::enqueue(tx, &mail).await?;
                Ok(Ok(()))
            })
        });
        match unlinked.await {
            Ok(Ok(())) => {
                self.mail_nudge();
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(StoreError::Refused) => Err(UnlinkError::LastWayIn),
            Err(error) => Err(Fault::from(error).into()),
        }
    }
}
