//! What operators see of the outbox. Never a link: only [`Cx::read_mail`] derives one, for the development page.

use portcullis_core::ids::MailId;
use portcullis_core::mail::MailState;
use portcullis_core::time::Timestamp;
use portcullis_store::outbox::Outgoing;
use serde::Serialize;

use super::letter::LetterError;
use super::mailer::Letter;
use crate::cx::Cx;
use crate::fault::Fault;

/// How many mails are read at a time.
const PAGE: i64 = 200;

/// A mail in the outbox.
#[derive(Clone, Debug, Serialize)]
pub struct OutboxMail {
    /// Names it.
    pub id: MailId,
    /// What it says.
    pub template: String,
    /// To whom; empty if that cannot be read.
    pub to: String,
    /// `waiting`, `sent` or `failed`.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When nobody needs it any more.
    pub expires_at: Option<Timestamp>,
    /// When it is tried next, if it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// When the mail server took it.
    pub sent_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// Why it could not be sent, the last time.
    pub last_error: Option<String>,
}

impl From<Outgoing> for OutboxMail {
    fn from(outgoing: Outgoing) -> Self {
        let state = outgoing.state();
        let mail = outgoing.mail.as_ref().ok();
        Self {
            id: outgoing.id,
            to: mail.map(|mail| mail.to.as_str().to_owned()).unwrap_or_default(),
            state: state.as_str(),
            attempts: outgoing.attempts,
            created_at: outgoing.created_at,
            expires_at: mail.and_then(|mail| mail.expires_at),
            next_attempt_at: (state == MailState::Waiting).then_some(outgoing.next_attempt_at),
            sent_at: outgoing.sent_at,
            failed_at: outgoing.failed_at,
            last_error: outgoing.last_error,
            template: outgoing.template,
        }
    }
}

impl Cx {
    /// All mails in one state, or in any; newest first.
    pub async fn list_mail(&self, state: Option<MailState>) -> Result<Vec<OutboxMail>, Fault> {
        let mut mails: Vec<OutboxMail> = Vec::new();
        loop {
            let page = self.store.mails(state, mails.last().map(|mail| mail.id), PAGE).await?;
            let last = page.len() < PAGE as usize;
            mails.extend(page.into_iter().map(OutboxMail::from));
            if last {
                return Ok(mails);
            }
        }
    }

    /// The newest mails.
    pub async fn newest_mail(&self) -> Result<Vec<OutboxMail>, Fault> {
        Ok(self.store.mails(None, None, PAGE).await?.into_iter().map(OutboxMail::from).collect())
    }

    /// One mail as it would be sent, link and all. Whoever reads it can use the link.
    pub async fn read_mail(&self, id: MailId) -> Result<Option<Result<Letter, LetterError>>, Fault> {
        let Some(outgoing) = self.store.mail(id).await? else { return Ok(None) };
        Ok(Some(self.letter(&outgoing.mail?)))
    }
}
