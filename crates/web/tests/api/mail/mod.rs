//! What becomes of a mail that was written into the outbox.

mod worker;

use portcullis_core::ids::{LinkId, MailId};
use portcullis_core::link::{LinkFacts, LinkPurpose};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::time::Clock as _;
use portcullis_core::user::Email;
use portcullis_testkit::TestApp;
use serde_json::Map;
use uuid::Uuid;

/// A mail to `to` that sets a new password.
pub(crate) fn reset_mail(app: &TestApp, to: &str) -> Mail {
    let (now, random) = (app.clock.now(), &*app.cx.random);
    let to = Email::parse("email", to).unwrap();
    let facts = LinkFacts {
        id: LinkId::new(now, random),
        purpose: LinkPurpose::ResetPassword,
        subject: Uuid::from_u128(8),
        email_key: to.key().to_owned(),
        epoch: 3,
    };
    Mail {
        id: MailId::new(now, random),
        template: Template::ResetPassword,
        to,
        user: None,
        locale: None,
        parameters: Map::new(),
        link: Some((facts, app.cx.ring.current().id())),
        created_at: now,
        expires_at: Some(now + app.cx.link_lifetime(LinkPurpose::ResetPassword)),
    }
}

/// A mail without a link, which does not expire.
pub(crate) fn notice(app: &TestApp, to: &str) -> Mail {
    Mail { template: Template::PasswordChanged, link: None, expires_at: None, ..reset_mail(app, to) }
}
