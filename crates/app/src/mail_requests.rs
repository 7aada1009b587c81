//! Mails that are asked for by address, where the answer must tell nobody whether the address is known: not by its words
//! and not by its time.
//!
//! 1. The answer writes one row, the same for every address ([`Cx::ask_for_mail`]), and wakes nobody.
//! 2. Every second whoever sends mails looks at what was asked for: finds the user, makes the link, and puts the mail
//!    into the outbox, or does nothing ([`Cx::answer_mail_requests`]). One transaction each, one node at a time.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::EventId;
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::rate::Rate;
use portcullis_core::user::{Email, Login, User};
use portcullis_store::links::Link;
use portcullis_store::mail_requests::{Asker, MailRequest};
use portcullis_store::pending::Pending;
use portcullis_store::{audit, links, mail_requests, outbox};

use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::LimitError;
use crate::links::asked_in;

/// How often is looked at what was asked for.
const EVERY: Duration = Duration::from_secs(1);
/// For how long a node that answers has that to itself. Longer than one round; if it dies, what is asked for waits so
/// long.
const LEASE: Duration = Duration::from_secs(10);
/// How many are answered in one round.
const ROUND: i64 = 100;
/// Most mails that strangers can have sent to one address.
const PER_ADDRESS: Rate = Rate { count: 10, per: Duration::from_hours(1) };

/// What is done about a request.
#[derive(Clone)]
struct Reply {
    link: Option<Link>,
    mail: Mail,
    event: Option<Event>,
}

impl Cx {
    /// Notes that a mail is wanted.
    pub(crate) async fn ask_for_mail(
        &self,
        purpose: LinkPurpose,
        email: Email,
        asker: Asker,
    ) -> Result<(), Fault> {
        let request = self.mail_request(purpose, email, asker);
        let now = self.clock.now();
        let noted = self.store.write_one(move |tx| {
            let request = request.clone();
            Box::pin(async move { mail_requests::put(tx, &request, now).await })
        });
        Ok(noted.await?)
    }

    /// A request, to be noted by whoever has more to write.
    pub(crate) fn mail_request(&self, purpose: LinkPurpose, email: Email, asker: Asker) -> MailRequest {
        let id = EventId::new(self.clock.now(), &*self.random).uuid();
        MailRequest { id, purpose, email, asker }
    }

    /// Answers what is asked for, every second, until the task is dropped. It waits out the rest of the second also when
    /// there is more: whoever asks next must not see by the time whether this found somebody.
    pub async fn answer_mail(self: Arc<Self>) {
        let mut lost = false;
        loop {
            tokio::time::sleep(EVERY).await;
            match self.answer_mail_requests().await {
                Ok(answered) => {
                    lost = false;
                    if answered > 0 {
                        self.mail_nudge();
                    }
                }
                Err(error) if !lost => {
                    lost = true;
                    tracing::warn!(%error, "what mails are asked for cannot be read; they wait");
                }
                Err(_) => {}
            }
        }
    }

    /// Answers what was asked for; how many requests there were.
    pub async fn answer_mail_requests(&self) -> Result<usize, Fault> {
        let mut answered = 0;
        loop {
            let requests = self.store.mail_requests(ROUND).await?;
            if requests.is_empty() {
                return Ok(answered);
            }
            // One node at a time: each would count a mail of its own against what one address may get.
            let now = self.clock.now();
            if !self.store.take_lease("mail requests", self.node.clone(), now + LEASE, now).await? {
                return Ok(answered);
            }
            answered += requests.len();
            let mut failed = 0;
            for request in &requests {
                match self.answer_one(request).await {
                    Ok(()) => {}
                    Err(fault @ Fault::StoreUnavailable(_)) => return Err(fault),
                    // The others do not wait for it.
                    Err(fault) => {
                        failed += 1;
                        tracing::error!(request.id = %request.id, error = %fault, "what a mail is asked for cannot be answered");
                    }
                }
            }
            if failed == requests.len() {
                return Ok(answered);
            }
        }
    }

    async fn answer_one(&self, request: &MailRequest) -> Result<(), Fault> {
        let reply = self.reply_to(request).await?;
        self.write_reply(request, reply).await
    }

    async fn reply_to(&self, request: &MailRequest) -> Result<Option<Reply>, Fault> {
        let owner = self.owner_of(&request.email).await?;
        let reply = match (request.purpose, request.asker) {
            (LinkPurpose::ResetPassword, Asker::Owner(user)) => {
                // Somebody else may have used up what the address may get in an hour, and nobody can have this twice.
                return Ok(owner.filter(|owner| owner.id == user).map(|owner| self.reset_mail(&owner)));
            }
            (LinkPurpose::ResetPassword, _) => owner.map(|owner| self.reset_mail(&owner)),
            (LinkPurpose::VerifyEmail, _) => {
                if let Some(owner) = owner {
                    owner.email_verified_at.is_none().then(|| self.verification_mail(&owner))
                } else {
                    let waiting = self.store.newest_pending(request.email.key(), self.clock.now()).await?;
                    waiting.map(|pending| self.registration_mail(&pending))
                }
            }
            (LinkPurpose::Register, Asker::Registration(pending)) => {
                if let Some(owner) = owner {
                    let mail = self.mail_to(Template::RegistrationAttempt, &owner.email, Some(&owner));
                    Some(Reply { link: None, mail, event: None })
                } else {
                    let waiting = self.store.pending(pending, self.clock.now()).await?;
                    waiting.map(|pending| self.registration_mail(&pending))
                }
            }
            (LinkPurpose::ChangeEmail, Asker::User(user, session, epoch)) => {
                let user = self.store.user(user).await?.filter(|user| user.credential_epoch == epoch);
                let Some(user) = user else { return Ok(None) };
                self.change_mail(&user, owner, &request.email)
                    .map(|reply| Reply { link: reply.link.map(|link| asked_in(link, session)), ..reply })
            }
            _ => None,
        };
        let Some(reply) = reply else { return Ok(None) };
        Ok(self.may_have_another(request.purpose, &request.email).await?.then_some(reply))
    }

    /// The user of an address who can use what is mailed there.
    async fn owner_of(&self, email: &Email) -> Result<Option<User>, Fault> {
        let found = self.store.find_login(&Login::new(email.as_str())).await?;
        let owner = found.map(|found| found.user).filter(|user| user.email.key() == email.key());
        Ok(owner.filter(|user| user.disabled_at.is_none() && !user.is_bot()))
    }

    fn reset_mail(&self, owner: &User) -> Reply {
        let link = self.link_of(owner, LinkPurpose::ResetPassword, &owner.email);
        let mut event = self.event(EventKind::PasswordResetRequested);
        event.user = Some(owner.id);
        let mail = self.mail_with(Template::ResetPassword, &link, Some(owner));
        Reply { link: Some(link), mail, event: Some(event) }
    }

    fn verification_mail(&self, owner: &User) -> Reply {
        let link = self.link_of(owner, LinkPurpose::VerifyEmail, &owner.email);
        let mail = self.mail_with(Template::VerifyEmail, &link, Some(owner));
        Reply { link: Some(link), mail, event: None }
    }

    fn registration_mail(&self, pending: &Pending) -> Reply {
        let link = self.new_link(pending.id, LinkPurpose::Register, &pending.email, 0);
        let mail = self.mail_with(Template::VerifyRegistration, &link, None);
        Reply { link: Some(link), mail, event: None }
    }

    /// To the new address: it must be shown to be theirs. If it is somebody else's, they are told.
    fn change_mail(&self, user: &User, owner: Option<User>, wanted: &Email) -> Option<Reply> {
        if let Some(owner) = owner.filter(|owner| owner.id != user.id) {
            let mail = self.mail_to(Template::ChangeEmailAttempt, &owner.email, Some(&owner));
            return Some(Reply { link: None, mail, event: None });
        }
        let link = self.link_of(user, LinkPurpose::ChangeEmail, wanted);
        let mail = self.mail_with(Template::ChangeEmail, &link, Some(user));
        (user.disabled_at.is_none()).then_some(Reply { link: Some(link), mail, event: None })
    }

    /// Counts a mail to `email`; `false`: it has had enough of them.
    async fn may_have_another(&self, purpose: LinkPurpose, email: &Email) -> Result<bool, Fault> {
        if self.settings.rates.is_none() {
            return Ok(true);
        }
        // Each kind has its own: nobody shuts a user out of theirs by asking for others.
        let key = self.counter("mails to", &[purpose.as_str().as_bytes(), &[0], email.key().as_bytes()]);
        match self.take("mails_per_address", key, PER_ADDRESS).await {
            Ok(()) => Ok(true),
            Err(LimitError::Limited(_)) => {
                metrics::counter!("portcullis_mails_suppressed_total").increment(1);
                Ok(false)
            }
            Err(LimitError::Fault(fault)) => Err(fault),
        }
    }

    async fn write_reply(&self, request: &MailRequest, reply: Option<Reply>) -> Result<(), Fault> {
        let id = request.id;
        let written = self.store.write(move |tx| {
            let reply = reply.clone();
            Box::pin(async move {
                if !mail_requests::take(tx, id).await? {
                    return Ok(());
                }
                let Some(Reply { link, mail, event }) = reply else { return Ok(()) };
                if let Some(link) = &link {
                    links::put(tx, link).await?;
                }
                if let Some(event) = &event {
                    audit::append(tx, event).await?;
                }
                outbox::enqueue(tx, &mail).await
            })
        });
        Ok(written.await?)
    }
}
