//! A sign-in from a device that was not seen before is told by mail, and undone by the link in it.
//!
//! 1. Before a session is made: a device that shows its token is known, and so is one that calls itself and stands as one
//!    of the user's newest sessions does, live or ended. Costs one read, and nothing where the token was shown.
//! 2. Of any other, mail and link are written in the transaction that makes the session. Whoever signs in for the first
//!    time ever has no other device.
//! 3. The link ends that session with its access tokens, wherever the user has got to meanwhile: with another password,
//!    another address, signed out. It moves the credential epoch, so that the device is as strange as before, and what was
//!    begun in the session (a new address, a link) comes to nothing. What was made since to come back by goes with it.
//! 4. The password goes, too, and a link to set a new one goes to the address that got the mail, if it is the user's still.
//!    Who took it away is not mailed; the link that undoes that is in another mail. All other sessions end when that
//!    password is set.

use std::time::Duration;

use portcullis_core::address::same_block;
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::link::{LinkPurpose, PresentedLink};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::rate::Rate;
use portcullis_core::session::EndCause;
use portcullis_core::user::User;
use portcullis_store::links::{self, Link};
use portcullis_store::mail_requests::{self, Asker};
use portcullis_store::sessions::{self, NewSession};
use portcullis_store::ways_in::{self, WaysIn};
use portcullis_store::{StoreError, Tx, audit, intruder, outbox, revocations, users};

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::LimitError;
use crate::reset_password::LinkError;
use crate::sign_in::Proof;

/// Most mails of this kind to one user.
const PER_USER: Rate = Rate { count: 5, per: Duration::from_hours(1) };

/// What a user is told of a new session, written with it.
#[derive(Clone)]
pub(crate) struct Notice {
    mail: Mail,
    link: Option<Link>,
}

impl From<Mail> for Notice {
    fn from(mail: Mail) -> Self {
        Self { mail, link: None }
    }
}

impl Notice {
    pub(crate) async fn put(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if let Some(link) = &self.link {
            links::put(tx, link).await?;
        }
        outbox::enqueue(tx, &self.mail).await
    }
}

/// What becomes of the password of a user who knows nothing of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordReset {
    /// A mail by which a new one is set is on its way.
    Mailed,
    /// There is none, but another way to sign in: whoever it was came in by that.
    NoPassword,
    /// Nothing is mailed: the address that was told of the sign-in is the user's no more.
    AddressChanged,
    /// Nothing is mailed: nobody signs in as the user.
    Disabled,
}

impl PasswordReset {
    /// The word for it in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mailed => "mailed",
            Self::NoPassword => "no_password",
            Self::AddressChanged => "address_changed",
            Self::Disabled => "disabled",
        }
    }

    /// Why nothing can be mailed to the address of `link`.
    fn withheld(user: &User, link: &Link) -> Option<Self> {
        if user.disabled_at.is_some() {
            Some(Self::Disabled)
        } else if user.email.key() != link.email.key() {
            Some(Self::AddressChanged)
        } else {
            None
        }
    }

    /// Of a user who can be mailed. Without any way left to sign in they need the mail, too: they have asked twice.
    const fn of(left: &WaysIn) -> Self {
        let other = left.passkeys > 0 || !left.providers.is_empty();
        if left.password || !other { Self::Mailed } else { Self::NoPassword }
    }
}

impl Cx {
    /// Steps 1 and 2: what the user is told of the session `new`, if its device was not seen before. `event` tells of it
    /// in any case.
    pub(crate) async fn notice_of_device(
        &self,
        proof: &Proof,
        new: &NewSession,
        client: &Client,
        event: &mut Event,
    ) -> Result<Option<Notice>, Fault> {
        if !self.runtime().notify_new_device || !self.is_new_device(proof, client).await? {
            return Ok(None);
        }
        event.detail.insert("new_device".into(), true.into());
        if !self.may_be_told("mails_of_devices", proof.user.id).await? {
            return Ok(None);
        }
        let user = &proof.user;
        let link = self.new_link(new.id.uuid(), LinkPurpose::NotMe, &user.email, 0);
        let link = Link { user: Some(user.id), ..link };
        let mut mail = self.mail_with(Template::NewDevice, &link, Some(user));
        mail.parameters.insert("time".into(), new.now.to_the_minute().into());
        mail.parameters.insert("address".into(), new.address.as_str().into());
        if !new.device.is_empty() {
            mail.parameters.insert("device".into(), new.device.as_str().into());
        }
        Ok(Some(Notice { mail, link: Some(link) }))
    }

    async fn is_new_device(&self, proof: &Proof, client: &Client) -> Result<bool, Fault> {
        let first = proof.user.last_login_at.is_none();
        if first || proof.device.is_some() || proof.acting.is_some() || proof.user.is_bot() {
            return Ok(false);
        }
        let seen = self.store.addresses_of_device(proof.user.id, &client.device).await?;
        let is_near = |seen: &String| seen.parse().is_ok_and(|seen| same_block(seen, client.address));
        Ok(!seen.iter().any(is_near))
    }

    /// Counts a mail of a kind; `false`: the user has had enough of them.
    pub(crate) async fn may_be_told(&self, kind: &'static str, user: UserId) -> Result<bool, Fault> {
        if self.settings.rates.is_none() {
            return Ok(true);
        }
        let key = self.counter(kind, &[user.uuid().as_bytes()]);
        match self.take(kind, key, PER_USER).await {
            Ok(()) => Ok(true),
            Err(LimitError::Limited(_)) => {
                metrics::counter!("portcullis_mails_suppressed_total").increment(1);
                Ok(false)
            }
            Err(LimitError::Fault(fault)) => Err(fault),
        }
    }

    /// What a link in a mail is for, as far as its form tells: nobody has looked yet whether it is good.
    pub fn is_of_sign_in(&self, token: &str) -> bool {
        PresentedLink::parse(token).is_some_and(|link| link.purpose == LinkPurpose::NotMe)
    }

    /// Steps 3 and 4: ends the session of a mailed link.
    pub async fn disown_session(&self, token: &str, client: &Client) -> Result<PasswordReset, LinkError> {
        self.limit("email_verify", self.settings.rates.map(|rates| rates.email_verify), client).await?;
        let link = self.link(token, &[LinkPurpose::NotMe]).await?.ok_or(LinkError::InvalidLink)?;
        let user = link.user.ok_or(LinkError::InvalidLink)?;
        let found = self.store.user(user).await.map_err(Fault::from)?.ok_or(LinkError::InvalidLink)?;
        let withheld = PasswordReset::withheld(&found, &link);
        let request = self.mail_request(LinkPurpose::ResetPassword, link.email.clone(), Asker::Owner(user));
        let span = self.span();
        let (id, session) = (link.facts.id, SessionId::from_uuid(link.facts.subject));
        let ended = Event { actor: Some(user), ..self.ended(session, EndCause::NotMe, client) };
        let mut event = self.event(EventKind::SessionDisowned);
        (event.user, event.actor) = (Some(user), Some(user));
        (event.session, event.address) = (Some(session), Some(client.address));
        let written = self.store.write(move |tx| {
            let (event, ended, request) = (event.clone(), ended.clone(), request.clone());
            Box::pin(async move {
                if !links::spend(tx, id, span.now).await? {
                    return Ok(None);
                }
                users::move_epoch(tx, user, span.now).await?;
                audit::append(tx, &event).await?;
                // Of whoever signed in twice the owner was told once: what came after goes with it.
                let mut gone = sessions::end_since(tx, user, session, span.now, EndCause::NotMe).await?;
                if gone.contains(&session.uuid()) {
                    audit::append(tx, &ended).await?;
                }
                gone.extend(
                    intruder::forget_since(tx, user, session.uuid(), span.now, EndCause::NotMe).await?,
                );
                let mut reset = match withheld {
                    Some(withheld) => withheld,
                    None => PasswordReset::of(&ways_in::of(tx, user).await?),
                };
                if reset == PasswordReset::Mailed {
                    // Whoever knows it would be back before the mail is read.
                    if users::forget_password(tx, user, &request.email).await? {
                        mail_requests::put(tx, &request, span.now).await?;
                    } else {
                        reset = PasswordReset::AddressChanged;
                    }
                }
                // What they would end has ended, and what its owner makes from here on must stay.
                links::void_since(tx, user, LinkPurpose::NotMe, session.uuid()).await?;
                // The list comes last: whoever holds its lock waits for no row.
                revocations::append_all(tx, &gone, span).await?;
                Ok(Some((gone, reset)))
            })
        });
        let (ended, reset) = written.await.map_err(Fault::from)?.ok_or(LinkError::InvalidLink)?;
        self.revoke_here(&ended, span);
        Ok(reset)
    }
}
