//! A mailer that writes down what it is given, or does what a test says.

use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_app::mail::{Letter, Mailer, MailerError, Taken};

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// Names it, the same at every try.
    pub id: String,
    /// To whom.
    pub to: String,
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For all others.
    pub html: String,
}

impl SentMail {
    /// The token in its link, if it has one.
    pub fn token(&self) -> Option<&str> {
        let start = self.text.find("pcl_")?;
        let rest = &self.text[start..];
        Some(&rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())])
    }

    /// The address that its button leads to, if it has one.
    pub fn link(&self) -> Option<&str> {
        self.text.lines().find(|line| line.starts_with("http"))
    }
}

type Refusal = Box<dyn Fn(&SentMail) -> Option<MailerError> + Send>;

/// Takes every mail, unless a test says otherwise.
#[derive(Default)]
pub struct RecordingMailer {
    taken: Mutex<Vec<SentMail>>,
    refusal: Mutex<Option<Refusal>>,
    hangs_for: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordingMailer {
    /// What was taken, in that order.
    pub fn taken(&self) -> Vec<SentMail> {
        lock(&self.taken).clone()
    }

    /// What was taken is no more to be seen.
    pub fn forget(&self) {
        lock(&self.taken).clear();
    }

    /// From now on it refuses what `refusal` says.
    pub fn refuse(&self, refusal: impl Fn(&SentMail) -> Option<MailerError> + Send + 'static) {
        *lock(&self.refusal) = Some(Box::new(refusal));
    }

    /// From now on it takes everything again.
    pub fn accept(&self) {
        *lock(&self.refusal) = None;
        *lock(&self.hangs_for) = None;
    }

    /// From now on it never answers for mails to `address`.
    pub fn hang_for(&self, address: &str) {
        *lock(&self.hangs_for) = Some(address.to_owned());
    }
}

impl Mailer for RecordingMailer {
    fn send<'a>(&'a self, letter: &'a Letter) -> Taken<'a> {
        Box::pin(async move {
            let mail = SentMail {
                id: letter.id.to_string(),
                to: letter.to.as_str().to_owned(),
                subject: letter.subject.clone(),
                text: letter.text.clone(),
                html: letter.html.clone(),
            };
            let hangs = lock(&self.hangs_for).as_ref() == Some(&mail.to);
            if hangs {
                std::future::pending::<()>().await;
            }
            if let Some(error) = lock(&self.refusal).as_ref().and_then(|refusal| refusal(&mail)) {
                return Err(error);
            }
            lock(&self.taken).push(mail);
            Ok(())
        })
    }
}
