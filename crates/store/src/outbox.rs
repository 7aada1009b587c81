//! The outbox: mails that are to be sent, written in the transaction of the fact.
//!
//! A mail is sent by whoever claims it: one guarded UPDATE, so that of several nodes each mail has one sender. A claim
//! runs out, so that a mail whose sender died is sent by another.

use portcullis_core::ids::{LinkId, MailId, UserId};
use portcullis_core::link::LinkFacts;
use portcullis_core::mail::{GIVE_UP, Mail, MailState, Template};
use portcullis_core::server_key::KeyId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use serde_json::Value;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;

macro_rules! columns {
    () => {
        "id, template, recipient, user_id, locale, parameters, link_id, link_subject, link_epoch, link_key_id, \
         created_at, expires_at, give_up_at, attempts, next_attempt_at, sent_at, failed_at, last_error"
    };
}
/// A statement about a mail that `$claim` still holds.
macro_rules! of {
    ($statement:expr, $claim:expr) => {
        sqlx::query($statement).bind($claim.id.uuid()).bind(&$claim.node).bind(i64::from($claim.attempts))
    };
}
macro_rules! is_free {
    ($now:literal) => {
        concat!(
            "sent_at IS NULL AND failed_at IS NULL AND (claimed_until IS NULL OR claimed_until <= ",
            $now,
            ")"
        )
    };
}
macro_rules! is_due {
    ($now:literal) => {
        concat!("next_attempt_at <= ", $now, " AND ", is_free!($now))
    };
}

const ENQUEUE: &str = "INSERT INTO outbox (id, template, recipient, user_id, locale, parameters, link_id, \
    link_subject, link_epoch, link_key_id, created_at, expires_at, give_up_at, attempts, next_attempt_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $11)";
const IS_DUE: &str =
    concat!("SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE ", is_due!("$1"), " LIMIT 1) AS one");
const IS_NEW: &str = concat!(
    "SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE kept_at IS NULL AND ",
    is_free!("$1"),
    " LIMIT 1) AS one"
);
/// The guard stands outside, too: there it is looked at again once the row is locked.
const CLAIM: &str = concat!(
    "UPDATE outbox SET claimed_by = $2, claimed_until = $3, attempts = attempts + 1 WHERE id IN \
     (SELECT id FROM outbox WHERE ",
    is_due!("$1"),
    " ORDER BY next_attempt_at, id LIMIT $4) AND ",
    is_due!("$1"),
    " RETURNING ",
    columns!()
);
/// Whoever's claim it is by now: what was sent is sent.
const SENT: &str = "UPDATE outbox SET sent_at = $2, failed_at = NULL, claimed_by = NULL, claimed_until = NULL, \
    last_error = NULL WHERE id = $1 AND sent_at IS NULL";
const RETRY: &str = "UPDATE outbox SET next_attempt_at = $4, last_error = $5, claimed_by = NULL, \
    claimed_until = NULL WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND sent_at IS NULL";
const FAIL: &str = "UPDATE outbox SET failed_at = $4, last_error = $5, claimed_by = NULL, claimed_until = NULL \
    WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND sent_at IS NULL";
const DISCARD: &str =
    "DELETE FROM outbox WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND sent_at IS NULL";
const KEEP: &str = concat!(
    "UPDATE outbox SET kept_at = $1 WHERE kept_at IS NULL AND ",
    is_free!("$1"),
    " RETURNING ",
    columns!()
);
const REQUEUE: &str = "UPDATE outbox SET next_attempt_at = $2, give_up_at = $3, attempts = 0, failed_at = NULL, \
    last_error = NULL, claimed_by = NULL, claimed_until = NULL WHERE id = $1 AND sent_at IS NULL \
    AND (claimed_until IS NULL OR claimed_until <= $2)";
const ONE: &str = concat!("SELECT ", columns!(), " FROM outbox WHERE id = $1");
const ALL: &str = concat!("SELECT ", columns!(), " FROM outbox WHERE id < $1 ORDER BY id DESC LIMIT $2");
const WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM outbox WHERE id < $1 AND sent_at IS NULL AND failed_at IS NULL ORDER BY id DESC LIMIT $2"
);
const SENT_ONES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM outbox WHERE id < $1 AND sent_at IS NOT NULL ORDER BY id DESC LIMIT $2"
);
const FAILED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM outbox WHERE id < $1 AND failed_at IS NOT NULL ORDER BY id DESC LIMIT $2"
);
const COUNT_WAITING: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL";
const COUNT_FAILED: &str = "SELECT COUNT(*) FROM outbox WHERE failed_at IS NOT NULL";
const PURGE: &str = "DELETE FROM outbox WHERE sent_at <= $1 OR give_up_at <= $2 \
    OR (expires_at <= $3 AND sent_at IS NULL AND failed_at IS NULL AND claimed_until IS NULL)";

row! {
    struct MailRow {
        id: Uuid, template: String, recipient: String, user_id: Option<Uuid>, locale: Option<String>,
        parameters: String, link_id: Option<Uuid>, link_subject: Option<Uuid>, link_epoch: Option<i64>,
        link_key_id: Option<i64>, created_at: i64, expires_at: Option<i64>, give_up_at: i64, attempts: i64,
        next_attempt_at: i64, sent_at: Option<i64>, failed_at: Option<i64>, last_error: Option<String>,
    }
}

/// A mail in the outbox.
#[derive(Debug)]
pub struct Outgoing {
    /// Names it.
    pub id: MailId,
    /// What it says, to whom. An error: a newer version has written it, or somebody by hand; what is wrong with it is
    /// the matter of that mail alone.
    pub mail: Result<Mail, StoreError>,
    /// The name of its template, also of one that this version does not know.
    pub template: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub next_attempt_at: Timestamp,
    /// Afterwards it is tried no more.
    pub give_up_at: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// When the mail server took it.
    pub sent_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// Why it could not be sent, the last time.
    pub last_error: Option<String>,
}

impl Outgoing {
    /// Where it stands.
    pub const fn state(&self) -> MailState {
        match (self.sent_at, self.failed_at) {
            (Some(_), _) => MailState::Sent,
            (None, Some(_)) => MailState::Failed,
            (None, None) => MailState::Waiting,
        }
    }
}

impl MailRow {
    fn mail(&self) -> Result<Mail, StoreError> {
        let corrupt = |column| StoreError::Corrupt { table: "outbox", column, id: self.id.to_string() };
        let template = Template::from_name(&self.template).ok_or_else(|| corrupt("template"))?;
        let to = Email::parse("recipient", &self.recipient).map_err(|_| corrupt("recipient"))?;
        let Ok(Value::Object(parameters)) = serde_json::from_str(&self.parameters) else {
            return Err(corrupt("parameters"));
        };
        let link = match (template.link(), self.link_id, self.link_subject, self.link_epoch, self.link_key_id)
        {
            (None, ..) => None,
            (Some(purpose), Some(id), Some(subject), Some(epoch), Some(key)) => {
                let facts = LinkFacts {
                    id: LinkId::from_uuid(id),
                    purpose,
                    subject,
                    email_key: to.key().to_owned(),
                    epoch,
                };
                let key = u32::try_from(key).map_err(|_| corrupt("link_key_id"))?;
                Some((facts, KeyId(key)))
            }
            (Some(_), ..) => return Err(corrupt("link_id")),
        };
        Ok(Mail {
            id: MailId::from_uuid(self.id),
            template,
            to,
            user: self.user_id.map(UserId::from_uuid),
            locale: self.locale.clone(),
            parameters,
            link,
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_micros),
        })
    }
}

impl From<MailRow> for Outgoing {
    fn from(row: MailRow) -> Self {
        Self {
            id: MailId::from_uuid(row.id),
            mail: row.mail(),
            template: row.template,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            next_attempt_at: Timestamp::from_micros(row.next_attempt_at),
            give_up_at: Timestamp::from_micros(row.give_up_at),
            created_at: Timestamp::from_micros(row.created_at),
            sent_at: row.sent_at.map(Timestamp::from_micros),
            failed_at: row.failed_at.map(Timestamp::from_micros),
            last_error: row.last_error,
        }
    }
}

/// Whose a claimed mail is for the time being: names the node and the try.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which mail.
    pub id: MailId,
    /// Which node.
    pub node: String,
    /// Which try.
    pub attempts: u32,
}

impl Store {
    /// Whether a mail could be claimed. Only reads, and so costs nothing while there is none.
    pub async fn mail_is_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let due: i64 = on!(&self.db, db => sqlx::query_scalar(IS_DUE).bind(now.micros()).fetch_one(db))?;
        Ok(due > 0)
    }

    /// Whether there is a mail that nobody has noted as kept yet.
    pub async fn mail_is_new(&self, now: Timestamp) -> Result<bool, StoreError> {
        let new: i64 = on!(&self.db, db => sqlx::query_scalar(IS_NEW).bind(now.micros()).fetch_one(db))?;
        Ok(new > 0)
    }

    /// Claims up to `most` mails that are due for `node`, until `until`.
    pub async fn claim_mails(
        &self,
        node: String,
        until: Timestamp,
        most: i64,
        now: Timestamp,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let claimed: Vec<MailRow> = self
            .write_one(move |tx| {
                let node = node.clone();
                Box::pin(async move {
                    Ok(on_tx!(tx, db => sqlx::query_as(CLAIM)
                        .bind(now.micros())
                        .bind(&node)
                        .bind(until.micros())
                        .bind(most)
                        .fetch_all(db))?)
                })
            })
            .await?;
        Ok(claimed.into_iter().map(Outgoing::from).collect())
    }

    /// Mails in one state or any, newest first, written before one.
    pub async fn mails(
        &self,
        state: Option<MailState>,
        before: Option<MailId>,
        limit: i64,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let list = match state {
            None => ALL,
            Some(MailState::Waiting) => WAITING,
            Some(MailState::Sent) => SENT_ONES,
            Some(MailState::Failed) => FAILED,
        };
        let before = before.map_or(Uuid::max(), MailId::uuid);
        let rows: Vec<MailRow> =
            on!(&self.db, db => sqlx::query_as(list).bind(before).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().map(Outgoing::from).collect())
    }

    /// One mail.
    pub async fn mail(&self, id: MailId) -> Result<Option<Outgoing>, StoreError> {
        let row: Option<MailRow> =
            on!(&self.db, db => sqlx::query_as(ONE).bind(id.uuid()).fetch_optional(db))?;
        Ok(row.map(Outgoing::from))
    }

    /// How many mails wait, and how many were given up.
    pub async fn count_mails(&self) -> Result<(u64, u64), StoreError> {
        let waiting: i64 = on!(&self.db, db => sqlx::query_scalar(COUNT_WAITING).fetch_one(db))?;
        let failed: i64 = on!(&self.db, db => sqlx::query_scalar(COUNT_FAILED).fetch_one(db))?;
        Ok((waiting.unsigned_abs(), failed.unsigned_abs()))
    }
}

/// Puts one mail into the outbox.
pub async fn enqueue(tx: &mut Tx, mail: &Mail) -> Result<(), StoreError> {
    let link = mail.link.as_ref();
    affected!(
        tx,
        sqlx::query(ENQUEUE)
            .bind(mail.id.uuid())
            .bind(mail.template.as_str())
            .bind(mail.to.as_str())
            .bind(mail.user.map(UserId::uuid))
            .bind(mail.locale.as_deref())
            .bind(Value::Object(mail.parameters.clone()).to_string())
            .bind(link.map(|(facts, _)| facts.id.uuid()))
            .bind(link.map(|(facts, _)| facts.subject))
            .bind(link.map(|(facts, _)| facts.epoch))
            .bind(link.map(|(_, key)| i64::from(key.0)))
            .bind(mail.created_at.micros())
            .bind(mail.expires_at.map(Timestamp::micros))
            .bind((mail.created_at + GIVE_UP).micros())
    )?;
    Ok(())
}

/// The mail server has taken it.
pub async fn sent(tx: &mut Tx, id: MailId, now: Timestamp) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(SENT).bind(id.uuid()).bind(now.micros()))?;
    Ok(())
}

/// It could not be sent; it is tried again at `next`. `false`: it is somebody else's by now.
pub async fn retry(tx: &mut Tx, claim: &Claim, next: Timestamp, error: &str) -> Result<bool, StoreError> {
    let done = affected!(tx, of!(RETRY, claim).bind(next.micros()).bind(error))?;
    Ok(done > 0)
}

/// It could not be sent, and never will be. `false`: it is somebody else's by now.
pub async fn fail(tx: &mut Tx, claim: &Claim, now: Timestamp, error: &str) -> Result<bool, StoreError> {
    let done = affected!(tx, of!(FAIL, claim).bind(now.micros()).bind(error))?;
    Ok(done > 0)
}

/// Nobody needs it any more. `false`: it is somebody else's by now.
pub async fn discard(tx: &mut Tx, claim: &Claim) -> Result<bool, StoreError> {
    Ok(affected!(tx, of!(DISCARD, claim))? > 0)
}

/// Notes that mails are kept because there is no server to send them by; those for which that is new.
pub async fn keep(tx: &mut Tx, now: Timestamp) -> Result<Vec<Outgoing>, StoreError> {
    let rows: Vec<MailRow> = on_tx!(tx, db => sqlx::query_as(KEEP).bind(now.micros()).fetch_all(db))?;
    Ok(rows.into_iter().map(Outgoing::from).collect())
}

/// Tries a mail again at once, also one that was given up. `false`: there is none, it was sent, or it is being sent.
pub async fn requeue(tx: &mut Tx, id: MailId, now: Timestamp) -> Result<bool, StoreError> {
    let give_up = now + GIVE_UP;
    let done = affected!(tx, sqlx::query(REQUEUE).bind(id.uuid()).bind(now.micros()).bind(give_up.micros()))?;
    Ok(done > 0)
}

/// Deletes what was sent before `sent`, what should have been given up before `given_up`, and what nobody has needed
/// since `expired`.
pub async fn purge(
    tx: &mut Tx,
    sent: Timestamp,
    given_up: Timestamp,
    expired: Timestamp,
) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(sent.micros()).bind(given_up.micros()).bind(expired.micros()))?)
}
