//! Another address for a user.
//!
//! 1. They ask for it with their password (in [`crate::me`]). A mail goes to the new address: nothing has changed yet.
//! 2. Its link puts the address in place. Every session but the one that asked ends, and the old address gets a mail with
//!    a link that undoes it.
//! 3. Undoing brings the old address back and ends every session, every API token, the password, the passkeys since and who
//!    the user is at other providers: whoever changed it knew the one, and may have made the others. A link to set a new
//!    password goes to the old address.

use portcullis_core::audit::EventKind;
use portcullis_core::ids::SessionId;
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::Template;
use portcullis_core::session::EndCause;
use portcullis_core::user::Login;
use portcullis_store::addresses::{self, ChangeEmail, Standing};
use portcullis_store::links::Link;
use portcullis_store::mail_requests::Asker;
use portcullis_store::{
    StoreError, api_tokens, audit, deletions, identities, intruder, links, mail_requests, outbox,
    revocations, sessions,
};

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::links::user_of;
use crate::reset_password::LinkError;

impl Cx {
    pub(crate) async fn confirm_change(&self, link: &Link, client: &Client) -> Result<(), LinkError> {
        let user = self.store.user(user_of(link)).await.map_err(Fault::from)?;
        // Read before the guard: with the same epoch, it has the same address.
        let user =
            user.filter(|user| user.credential_epoch == link.facts.epoch).ok_or(LinkError::InvalidLink)?;
        let span = self.span();
        let now = span.now;
        let standing = Standing { user: user.id, epoch: link.facts.epoch, email: link.email.clone() };
        let mut event = self.event(EventKind::EmailChanged);
        event.user = Some(user.id);
        event.actor = Some(user.id);
        event.address = Some(client.address);
        let (id, asked) = (link.facts.id, link.session);
        // Whatever proves the user may change as often as it likes: this one brings back what was.
        let undo = self.new_link(user.id.uuid(), LinkPurpose::UndoEmail, &user.email, 0);
        let undo = Link { session: asked, ..undo };
        let mail = self.mail_with(Template::EmailChanged, &undo, Some(&user));
        let again = self.mail_to(Template::EmailChangedAgain, &user.email, Some(&user));
        let written = self
            .store
            .write(move |tx| {
                let (standing, event) = (standing.clone(), event.clone());
                let (undo, mail, again) = (undo.clone(), mail.clone(), again.clone());
                Box::pin(async move {
                    if !links::spend(tx, id, now).await? {
                        return Ok(Err(ChangeEmail::Moved));
                    }
                    let changed = addresses::change_email(tx, &standing, now).await?;
                    if changed != ChangeEmail::Done {
                        return Ok(Err(changed));
                    }
                    let ended =
                        sessions::end_all(tx, standing.user, asked, now, EndCause::EmailChanged).await?;
                    // An address that was only held for a while gets no link: it would undo too little.
                    let first = links::put_first(tx, &undo, now).await?;
                    outbox::enqueue(tx, if first { &mail } else { &again }).await?;
                    audit::append(tx, &event).await?;
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(Ok(ended))
                })
            })
            .await
            .map_err(Fault::from)?;
        let ended = written.map_err(refused)?;
        self.mail_nudge();
        self.revoke_here(&ended, span);
        Ok(())
    }

    /// Undoes a change of address, by the link that the old address got.
    pub async fn undo_email_change(&self, token: &str, client: &Client) -> Result<(), LinkError> {
        self.limit("email_verify", self.settings.rates.map(|rates| rates.email_verify), client).await?;
        let link = self.link(token, &[LinkPurpose::UndoEmail]).await?.ok_or(LinkError::InvalidLink)?;
        let span = self.span();
        let (user, now) = (user_of(&link), span.now);
        let mut event = self.event(EventKind::EmailChangeUndone);
        event.user = Some(user);
        event.actor = Some(user);
        event.address = Some(client.address);
        let reset = self.mail_request(LinkPurpose::ResetPassword, link.email.clone(), Asker::Owner(user));
        let wanted = link.clone();
        let written = self
            .store
            .write(move |tx| {
                let (link, event, reset) = (wanted.clone(), event.clone(), reset.clone());
                Box::pin(async move {
                    // Whoever took the address may have wanted the account deleted, so that nobody gets it back.
                    deletions::reclaim(tx, user, now).await?;
                    // Where it cannot be done, all of it is undone, and the link stays good for another day.
                    let done = addresses::undo_change(tx, user, &link.email, now).await? == ChangeEmail::Done;
                    if !done || !links::spend(tx, link.facts.id, now).await? {
                        return Err(StoreError::Refused);
                    }
                    let mut ended = sessions::end_all(tx, user, None, now, EndCause::EmailChanged).await?;
                    ended.extend(api_tokens::revoke_all(tx, user, now).await?);
                    // They may have made themselves known here by way of a provider. One that vouches for the address
                    // brings its owner in again.
                    identities::unlink_all(tx, user).await?;
                    // From the session on in which the change was asked for: they may have made some of it before.
                    let since = link.session.map_or(link.facts.id.uuid(), SessionId::uuid);
                    ended.extend(intruder::forget_since(tx, user, since, now, EndCause::EmailChanged).await?);
                    mail_requests::put(tx, &reset, now).await?;
                    audit::append(tx, &event).await?;
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(ended)
                })
            })
            .await;
        let ended = match written {
            Ok(ended) => ended,
            Err(StoreError::Refused) => return Err(self.why_not_undone(&link).await?),
            Err(error) => return Err(Fault::from(error).into()),
        };
        self.revoke_here(&ended, span);
        Ok(())
    }
}

impl Cx {
    /// Somebody else may have the address by now.
    async fn why_not_undone(&self, link: &Link) -> Result<LinkError, Fault> {
        let owner = self.store.find_login(&Login::new(link.email.as_str())).await?;
        let taken = owner.is_some_and(|found| {
            found.user.email.key() == link.email.key() && found.user.id != user_of(link)
        });
        Ok(if taken { LinkError::EmailTaken } else { LinkError::InvalidLink })
    }
}

const fn refused(change: ChangeEmail) -> LinkError {
    match change {
        ChangeEmail::Taken => LinkError::EmailTaken,
        ChangeEmail::Done | ChangeEmail::Moved => LinkError::InvalidLink,
    }
}
