//! Links that are mailed, and the mails themselves. A link is good for one purpose, one user, one address and, where that
//! matters, as long as nothing that proves the user has changed.

use portcullis_core::ids::{LinkId, MailId, SessionId, UserId};
use portcullis_core::link::{LinkFacts, LinkPurpose, PresentedLink};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::user::{Email, User};
use portcullis_store::links::Link;
use serde_json::Map;
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;

impl Cx {
    /// A link about `user` as they stand, mailed to `email`.
    pub(crate) fn link_of(&self, user: &User, purpose: LinkPurpose, email: &Email) -> Link {
        self.new_link(user.id.uuid(), purpose, email, user.credential_epoch)
    }

    /// A link, not stored yet.
    pub(crate) fn new_link(&self, subject: Uuid, purpose: LinkPurpose, email: &Email, epoch: i64) -> Link {
        let now = self.clock.now();
        let id = LinkId::new(now, &*self.random);
        Link {
            facts: LinkFacts { id, purpose, subject, email_key: email.key().to_owned(), epoch },
            email: email.clone(),
            session: None,
            expires_at: now + self.link_lifetime(purpose),
            user: None,
        }
    }

    /// A mail without a link.
    pub(crate) fn mail_to(&self, template: Template, to: &Email, user: Option<&User>) -> Mail {
        let now = self.clock.now();
        let mut parameters = Map::new();
        if let Some(name) = user.and_then(|user| user.profile.name.as_deref()) {
            parameters.insert("name".into(), name.into());
        }
        Mail {
            id: MailId::new(now, &*self.random),
            template,
            to: to.clone(),
            user: user.map(|user| user.id),
            locale: user.and_then(|user| user.profile.locale.clone()),
            parameters,
            link: None,
            created_at: now,
            expires_at: None,
        }
    }

    /// The mail that brings `link`.
    pub(crate) fn mail_with(&self, template: Template, link: &Link, user: Option<&User>) -> Mail {
        Mail {
            link: Some((link.facts.clone(), self.ring.current().id())),
            expires_at: Some(link.expires_at),
            ..self.mail_to(template, &link.email, user)
        }
    }

    /// What the link of `token` is about, if it is one of ours, for one of `purposes`, and good now.
    pub(crate) async fn link(&self, token: &str, purposes: &[LinkPurpose]) -> Result<Option<Link>, Fault> {
        let Some(presented) = PresentedLink::parse(token) else { return Ok(None) };
        if !purposes.contains(&presented.purpose) {
            return Ok(None);
        }
        let Some(link) = self.store.link(presented.id, presented.purpose).await? else { return Ok(None) };
        if self.ring.get(presented.key).is_none() {
            self.judge_unknown_key(presented.key).await?;
        }
        let good = presented.is_of(&link.facts, &self.ring) && self.clock.now() < link.expires_at;
        Ok(good.then_some(link))
    }
}

/// Whom a link is about.
pub(crate) const fn user_of(link: &Link) -> UserId {
    UserId::from_uuid(link.facts.subject)
}

/// `link`, asked for in `session`.
pub(crate) fn asked_in(link: Link, session: SessionId) -> Link {
    Link { session: Some(session), ..link }
}
