//! What mailed links are about. A subject has at most one of each purpose: a newer one takes the place of the older, and
//! using it takes it away, so that of two who use it at once one does.

use portcullis_core::ids::{LinkId, SessionId, UserId};
use portcullis_core::link::{LinkFacts, LinkPurpose};
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const PUT: &str = "INSERT INTO links (subject, purpose, id, email, email_key, epoch, session_id, expires_at, user_id) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (subject, purpose) DO UPDATE SET id = excluded.id, \
    email = excluded.email, email_key = excluded.email_key, epoch = excluded.epoch, \
    session_id = excluded.session_id, expires_at = excluded.expires_at, user_id = excluded.user_id";
/// The first stands while it is good.
const PUT_FIRST: &str = "INSERT INTO links (subject, purpose, id, email, email_key, epoch, session_id, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (subject, purpose) DO UPDATE SET id = excluded.id, \
    email = excluded.email, email_key = excluded.email_key, epoch = excluded.epoch, \
    session_id = excluded.session_id, expires_at = excluded.expires_at WHERE links.expires_at <= $9";
const GET: &str = "SELECT subject, email, email_key, epoch, session_id, expires_at, user_id FROM links \
    WHERE id = $1 AND purpose = $2";
const SPEND: &str = "DELETE FROM links WHERE id = $1 AND expires_at > $2";
const VOID_SINCE: &str = "DELETE FROM links WHERE user_id = $1 AND purpose = $2 AND subject > $3";
const VOID: &str = "DELETE FROM links WHERE subject = $1 AND purpose = $2";
const PURGE: &str = "DELETE FROM links WHERE expires_at <= $1";

row! {
    struct LinkRow {
        subject: Uuid, email: String, email_key: String, epoch: i64, session_id: Option<Uuid>, expires_at: i64,
        user_id: Option<Uuid>,
    }
}

/// A link that was mailed, or will be.
#[derive(Clone, Debug)]
pub struct Link {
    /// What its token says.
    pub facts: LinkFacts,
    /// The address it is mailed to, as written.
    pub email: Email,
    /// The session that asked for it, where that matters.
    pub session: Option<SessionId>,
    /// Good until.
    pub expires_at: Timestamp,
    /// Whose it is, where the subject is something of theirs: it goes with them when they are deleted.
    pub user: Option<UserId>,
}

impl Store {
    /// The link named `id`, if it is for `purpose`. It may have run out.
    pub async fn link(&self, id: LinkId, purpose: LinkPurpose) -> Result<Option<Link>, StoreError> {
        let row: Option<LinkRow> = on!(&self.db, db => sqlx::query_as(GET)
            .bind(id.uuid())
            .bind(purpose.as_str())
            .fetch_optional(db))?;
        Ok(row.map(|row| Link {
            facts: LinkFacts {
                id,
                purpose,
                subject: row.subject,
                email_key: row.email_key.clone(),
                epoch: row.epoch,
            },
            email: Email::from_stored(row.email, row.email_key),
            session: row.session_id.map(SessionId::from_uuid),
            expires_at: Timestamp::from_micros(row.expires_at),
            user: row.user_id.map(UserId::from_uuid),
        }))
    }
}

/// Puts a link in the place of any other of its subject and purpose.
pub async fn put(tx: &mut Tx, link: &Link) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(PUT)
            .bind(link.facts.subject)
            .bind(link.facts.purpose.as_str())
            .bind(link.facts.id.uuid())
            .bind(link.email.as_str())
            .bind(&link.facts.email_key)
            .bind(link.facts.epoch)
            .bind(link.session.map(SessionId::uuid))
            .bind(link.expires_at.micros())
            .bind(link.user.map(UserId::uuid))
    )?;
    Ok(())
}

/// Puts a link where there is no good one of its subject and purpose: of several changes the first can be undone, for
/// whoever made it makes the next, too. `false`: there is one, and this one will never be good.
pub async fn put_first(tx: &mut Tx, link: &Link, now: Timestamp) -> Result<bool, StoreError> {
    let put = affected!(
        tx,
        sqlx::query(PUT_FIRST)
            .bind(link.facts.subject)
            .bind(link.facts.purpose.as_str())
            .bind(link.facts.id.uuid())
            .bind(link.email.as_str())
            .bind(&link.facts.email_key)
            .bind(link.facts.epoch)
            .bind(link.session.map(SessionId::uuid))
            .bind(link.expires_at.micros())
            .bind(now.micros())
    )?;
    Ok(put > 0)
}

/// Uses a link up; `false`: it has been, has run out, or a newer one took its place.
pub async fn spend(tx: &mut Tx, id: LinkId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(SPEND).bind(id.uuid()).bind(now.micros()))? > 0)
}

/// Makes the link of a subject void, if there is one.
pub async fn void(tx: &mut Tx, subject: Uuid, purpose: LinkPurpose) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(VOID).bind(subject).bind(purpose.as_str()))?;
    Ok(())
}

/// Makes the links of a user void whose subjects are younger than `since`, which is an id of that moment.
pub async fn void_since(
    tx: &mut Tx,
    user: UserId,
    purpose: LinkPurpose,
    since: Uuid,
) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(VOID_SINCE).bind(user.uuid()).bind(purpose.as_str()).bind(since))?;
    Ok(())
}

/// Deletes what has run out; how many.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}
