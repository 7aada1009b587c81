//! Registrations whose address has not been shown to be theirs yet. They are written for every address alike.

use portcullis_core::ids::InviteId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Email, Username};
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

macro_rules! columns {
    () => {
        "id, email, email_key, name, username, username_key, password_hash, browser_hash, invite_id, expires_at, \
         provider, subject"
    };
}

const PUT: &str = concat!(
    "INSERT INTO pending_registrations (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
const GET: &str =
    concat!("SELECT ", columns!(), " FROM pending_registrations WHERE id = $1 AND expires_at > $2");
const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM pending_registrations WHERE email_key = $1 AND expires_at > $2 ORDER BY id DESC LIMIT 1"
);
const TAKE: &str = "DELETE FROM pending_registrations WHERE id = $1";
const TAKE_ALL: &str = "DELETE FROM pending_registrations WHERE email_key = $1";
const PURGE: &str = "DELETE FROM pending_registrations WHERE expires_at <= $1";

row! {
    struct PendingRow {
        id: Uuid, email: String, email_key: String, name: Option<String>, username: Option<String>,
        username_key: Option<String>, password_hash: String, browser_hash: Vec<u8>, invite_id: Option<Uuid>,
        expires_at: i64, provider: Option<String>, subject: Option<String>,
    }
}

/// A registration that waits for its address.
#[derive(Clone)]
pub struct Pending {
    /// Names it.
    pub id: Uuid,
    /// The address.
    pub email: Email,
    /// Full name.
    pub name: Option<String>,
    /// User name, if nobody has it by then.
    pub username: Option<Username>,
    /// PHC string of the password, if they have chosen one.
    pub password_hash: Option<String>,
    /// SHA-256 of what the browser that registered holds.
    pub browser_hash: Vec<u8>,
    /// What lets them in.
    pub invite: Option<InviteId>,
    /// Good until.
    pub expires_at: Timestamp,
    /// Who they are elsewhere: provider and subject.
    pub identity: Option<(String, String)>,
}

impl From<PendingRow> for Pending {
    fn from(row: PendingRow) -> Self {
        Self {
            id: row.id,
            email: Email::from_stored(row.email, row.email_key),
            name: row.name,
            username: row
                .username
                .zip(row.username_key)
                .map(|(shown, key)| Username::from_stored(shown, key)),
            // The column is older than registrations without one.
            password_hash: Some(row.password_hash).filter(|hash| !hash.is_empty()),
            browser_hash: row.browser_hash,
            invite: row.invite_id.map(InviteId::from_uuid),
            expires_at: Timestamp::from_micros(row.expires_at),
            identity: row.provider.zip(row.subject),
        }
    }
}

impl Store {
    /// A registration that still waits.
    pub async fn pending(&self, id: Uuid, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        let row: Option<PendingRow> =
            on!(&self.db, db => sqlx::query_as(GET).bind(id).bind(now.micros()).fetch_optional(db))?;
        Ok(row.map(Pending::from))
    }

    /// The newest that waits for an address, in the form that addresses are compared by.
    pub async fn newest_pending(
        &self,
        email_key: &str,
        now: Timestamp,
    ) -> Result<Option<Pending>, StoreError> {
        let row: Option<PendingRow> = on!(&self.db, db => sqlx::query_as(NEWEST)
            .bind(email_key)
            .bind(now.micros())
            .fetch_optional(db))?;
        Ok(row.map(Pending::from))
    }
}

/// Keeps a registration.
pub async fn put(tx: &mut Tx, pending: &Pending) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(PUT)
            .bind(pending.id)
            .bind(pending.email.as_str())
            .bind(pending.email.key())
            .bind(&pending.name)
            .bind(pending.username.as_ref().map(Username::as_str))
            .bind(pending.username.as_ref().map(Username::key))
            .bind(pending.password_hash.as_deref().unwrap_or_default())
            .bind(&pending.browser_hash)
            .bind(pending.invite.map(InviteId::uuid))
            .bind(pending.expires_at.micros())
            .bind(pending.identity.as_ref().map(|(provider, _)| provider))
            .bind(pending.identity.as_ref().map(|(_, subject)| subject))
    )?;
    Ok(())
}

/// Takes a registration away; `false`: somebody has.
pub async fn take(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(TAKE).bind(id))? > 0)
}

/// Takes away all that wait for an address, in the form that addresses are compared by.
pub async fn take_all(tx: &mut Tx, email_key: &str) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(TAKE_ALL).bind(email_key))?;
    Ok(())
}

/// Deletes what has run out; how many.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}
