//! How a mail leaves: `cli` makes the one that speaks SMTP, tests one that writes down what it is given.

use std::fmt;
use std::pin::Pin;

use portcullis_core::ids::MailId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use thiserror::Error;

/// A mail as it is sent: holds a link that works, and so shows nothing of itself.
pub struct Letter {
    /// Names it, the same at every try.
    pub id: MailId,
    /// To whom.
    pub to: Email,
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For all others.
    pub html: String,
    /// When it was decided to send it.
    pub at: Timestamp,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({}, {:?})", self.id, self.to)
    }
}

/// Why a mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MailerError {
    /// It may be taken later.
    #[error("{0}")]
    Temporary(String),
    /// It never will be (RFC 5321 section 4.2.1, 5yz).
    #[error("{0}")]
    Permanent(String),
}

/// Whether it was taken, later.
pub type Taken<'a> = Pin<Box<dyn Future<Output = Result<(), MailerError>> + Send + 'a>>;

/// Sends mails.
pub trait Mailer: Send + Sync {
    /// Hands over one mail. Whoever calls looks after the time.
    fn send<'a>(&'a self, letter: &'a Letter) -> Taken<'a>;
}
