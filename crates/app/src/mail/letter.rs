//! From a mail in the outbox to one that can be sent: its link is derived here, and nowhere kept.

use portcullis_core::ids::MailId;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::server_key::KeyId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use serde_json::Map;
use thiserror::Error;

use super::mailer::Letter;
use super::settings::EmailSettings;
use super::templates::{About, House, Rendered, Templates, example};
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
        let settings = &self.settings.email;
        let link = match &mail.link {
            Some((facts, key)) => {
                let token = facts.token(*key, &self.ring).ok_or(LetterError::KeyMissing(*key))?;
                Some(settings.links.url(facts.purpose, &token))
            }
            None => settings.page(mail.template),
        };
        let about = About {
            template: mail.template,
            locale: mail.locale.as_deref(),
            email: mail.to.as_str(),
            link,
            valid_for: mail.expires_at.filter(|_| mail.link.is_some()).map(|at| at.since(mail.created_at)),
            parameters: &mail.parameters,
        };
        let Rendered { subject, text, html } = settings.say(&self.mailroom.templates, &about)?;
        Ok(Letter { id: mail.id, to: mail.to.clone(), subject, text, html, at: mail.created_at })
    }
}

impl EmailSettings {
    /// A mail that tells whether mail works.
    pub fn test_letter(
        &self,
        templates: &Templates,
        to: Email,
        (id, at): (MailId, Timestamp),
    ) -> Result<Letter, LetterError> {
        let about = About {
            template: Template::Test,
            locale: None,
            email: to.as_str(),
            link: None,
            valid_for: None,
            parameters: &Map::new(),
        };
        let Rendered { subject, text, html } = self.say(templates, &about)?;
        Ok(Letter { id, to, subject, text, html, at })
    }

    /// What a mail would say to Ada Lovelace, with a link that leads nowhere.
    pub fn preview(
        &self,
        templates: &Templates,
        template: Template,
        locale: Option<&str>,
    ) -> Result<Rendered, LetterError> {
        let link = template.link().map(|purpose| self.links.url(purpose, "pcl_example"));
        let about = About {
            template,
            locale,
            email: "ada@example.org",
            link: link.or_else(|| self.page(template)),
            valid_for: template.link().map(|purpose| self.link_lifetimes.of(purpose)),
            parameters: &example(template),
        };
        self.say(templates, &about)
    }

    fn say(&self, templates: &Templates, about: &About<'_>) -> Result<Rendered, LetterError> {
        let house = House {
            product: &self.product,
            home: &self.home,
            sign_in: &self.links.sign_in,
            default_locale: &self.default_locale,
        };
        // Its kind alone: what the mail is about may be in the rest.
        templates.render(about, &house).map_err(|error| LetterError::Template(error.kind().to_string()))
    }

    /// Where the button leads of a mail without a link of its own.
    fn page(&self, template: Template) -> Option<String> {
        match template {
            Template::RegistrationAttempt
            | Template::EmailChangedAgain
            | Template::PasswordChanged
            | Template::FactorAdded
            | Template::FactorRemoved
            | Template::RecoveryCodesMade
            | Template::ApiTokenLeaked
            | Template::IdentityLinked
            | Template::IdentityUnlinked
            | Template::AccountClaimed => Some(self.links.sign_in.clone()),
            Template::VerifyEmail
            | Template::VerifyRegistration
            | Template::ResetPassword
            | Template::ChangeEmail
            | Template::ChangeEmailAttempt
            | Template::EmailChanged
            | Template::Invite
            | Template::AccountInvite
            | Template::ImpersonationStarted
            | Template::NewDevice
            | Template::AccountDeletion
            | Template::Test => None,
        }
    }
}
