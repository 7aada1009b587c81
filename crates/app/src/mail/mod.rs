//! Mail: written into the outbox with the fact ([`portcullis_store::outbox::enqueue`]), sent behind it.
//!
//! [`settings`] is what an installation may choose, [`templates`] what a mail says, [`letter`] puts its link into it,
//! [`worker`] sends it through a [`Mailer`].

mod letter;
mod mailer;
mod settings;
mod strings;
mod templates;
mod worker;

pub use letter::LetterError;
pub use mailer::{Letter, Mailer, MailerError, Taken};
pub use settings::{EmailSettings, LinkLifetimes, Links};
pub use strings::languages;
pub use templates::{Form, OverrideFile, PARAMETERS, Rendered, TemplateFault, Templates, example};
pub use worker::Mailroom;

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::link::LinkPurpose;

use crate::cx::Cx;

/// What a node's mail is made of.
#[derive(Default)]
pub struct MailParts {
    /// What mails say.
    pub templates: Templates,
    /// What sends them; none: they are kept in the outbox.
    pub mailer: Option<Arc<dyn Mailer>>,
}

impl Cx {
    /// How long a link of this purpose is good for.
    pub fn link_lifetime(&self, purpose: LinkPurpose) -> Duration {
        self.settings.email.link_lifetimes.of(purpose)
    }
}
