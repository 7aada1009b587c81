//! Mail: written into the outbox with the fact, sent behind it.

mod settings;

pub use settings::{EmailSettings, LinkLifetimes, Links};

use std::time::Duration;

use portcullis_core::link::LinkPurpose;
use tokio::sync::Notify;

use crate::cx::Cx;

/// What a node knows of the mails it sends.
#[derive(Default)]
pub struct Mailroom {
    nudged: Notify,
}

impl Cx {
    /// How long a link of this purpose is good for.
    pub fn link_lifetime(&self, purpose: LinkPurpose) -> Duration {
        self.settings.email.link_lifetimes.of(purpose)
    }

    /// There is a mail in the outbox: wakes who sends it, in this process. To be called once it is committed.
    pub fn mail_nudge(&self) {
        self.mailroom.nudged.notify_one();
    }
}
