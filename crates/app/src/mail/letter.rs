//! From a mail in the outbox to one that can be sent: its link is derived here, and nowhere kept.

use portcullis_core::ids::MailId;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::server_key::KeyId;
use portcullis_core::user::Email;
use serde_json::Map;
use thiserror::Error;

use super::mailer::Letter;
use super::templates::{About, House, Rendered, example};
use crate::cx::Cx;

/// Why there is nothing to send.
#[derive(Debug, Error)]
pub enum LetterError {
    /// The link is made under a key that this node does not hold.
    #[error(
        "its link is made under server key {0}, which this node does not hold: add it to server.secret_keys_accepted"
    )]
    KeyMissing(KeyId),
    /// A template of ours fails.
    #[error("its template fails: {0}")]
    Template(String),
}

impl Cx {
    /// What a mail says, ready to be sent.
    pub(super) fn letter(&self, mail: &Mail) -> Result<Letter, LetterError> {
        let about = About {
            template: mail.template,
            locale: mail.locale.as_deref(),
            email: mail.to.as_str(),
            link: self.button(mail)?,
            valid_for: mail.expires_at.filter(|_| mail.link.is_some()).map(|at| at.since(mail.created_at)),
            parameters: &mail.parameters,
        };
        let Rendered { subject, text, html } = self.say(&about)?;
        Ok(Letter { id: mail.id, to: mail.to.clone(), subject, text, html, at: mail.created_at })
    }

    /// A mail that tells whether mail works.
    pub fn test_letter(&self, to: Email) -> Result<Letter, LetterError> {
        let (at, parameters) = (self.clock.now(), Map::new());
        let about = About {
            template: Template::Test,
            locale: None,
            email: to.as_str(),
            link: None,
            valid_for: None,
            parameters: &parameters,
        };
        let Rendered { subject, text, html } = self.say(&about)?;
        Ok(Letter { id: MailId::new(at, &*self.random), to, subject, text, html, at })
    }

    /// What a mail would say to Ada Lovelace, with a link that leads nowhere.
    pub fn preview_mail(&self, template: Template, locale: Option<&str>) -> Result<Rendered, LetterError> {
        let links = &self.settings.email.links;
        let token = template.link().map(|purpose| links.url(purpose, "pcl_example"));
        let parameters = example(template);
        self.say(&About {
            template,
            locale,
            email: "ada@example.org",
            link: token.or_else(|| self.page(template)),
            valid_for: template.link().map(|purpose| self.link_lifetime(purpose)),
            parameters: &parameters,
        })
    }

    fn say(&self, about: &About<'_>) -> Result<Rendered, LetterError> {
        let email = &self.settings.email;
        let house = House {
            product: &email.product,
            home: &email.home,
            sign_in: &email.links.sign_in,
            default_locale: &email.default_locale,
        };
        // Its text alone: what it was about may be in the rest.
        self.mailroom
            .templates
            .render(about, &house)
            .map_err(|error| LetterError::Template(error.kind().to_string()))
    }

    /// Where the mail's button leads.
    fn button(&self, mail: &Mail) -> Result<Option<String>, LetterError> {
        let Some((facts, key)) = &mail.link else { return Ok(self.page(mail.template)) };
        let token = facts.token(*key, &self.ring).ok_or(LetterError::KeyMissing(*key))?;
        Ok(Some(self.settings.email.links.url(facts.purpose, &token)))
    }

    /// A page of ours, for mails without a link of their own.
    fn page(&self, template: Template) -> Option<String> {
        let email = &self.settings.email;
        match template {
            Template::RegistrationAttempt | Template::PasswordChanged | Template::ApiTokenLeaked => {
                Some(email.links.sign_in.clone())
            }
            Template::Invite => Some(format!("{}/sign-up", email.home)),
            Template::VerifyEmail
            | Template::VerifyRegistration
            | Template::ResetPassword
            | Template::ChangeEmail
            | Template::ChangeEmailAttempt
            | Template::EmailChanged
            | Template::AccountInvite
            | Template::ImpersonationStarted
            | Template::AccountDeletion
            | Template::Test => None,
        }
    }
}
