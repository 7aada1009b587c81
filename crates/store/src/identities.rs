//! Who users are at other providers. A provider's person is one user here, which the index decides.

use portcullis_core::external::Identity;
use portcullis_core::ids::{IdentityId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use uuid::Uuid;

use crate::Store;
use crate::addresses::Standing;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;
use crate::users::{UserRow, user_columns};

macro_rules! columns {
    () => {
        "id, provider, subject, user_id, email, created_at, last_used_at"
    };
}

/// Identity and user as they are in one moment: what proves the user is as old as the identity.
const USER_OF: &str = concat!(
    "SELECT identity_id, ",
    user_columns!(),
    " FROM (SELECT id AS identity_id, user_id AS whose FROM identities WHERE provider = $1 AND subject = $2) AS i \
     JOIN users ON id = whose"
);
const OF_USER: &str = concat!("SELECT ", columns!(), " FROM identities WHERE user_id = $1 ORDER BY id");
const PROVIDERS: &str = "SELECT DISTINCT provider FROM identities WHERE user_id = $1 ORDER BY provider";
const INSERT: &str = "INSERT INTO identities (id, provider, subject, user_id, email, created_at, last_used_at) \
    VALUES ($1, $2, $3, $4, $5, $6, NULL) ON CONFLICT DO NOTHING";
const NOTE_USE: &str = "UPDATE identities SET last_used_at = $2, email = COALESCE($3, email) WHERE id = $1";
/// If somebody has the lasting name already, that is who they are.
const RENAME: &str = "UPDATE identities SET subject = $3 WHERE provider = $1 AND subject = $2 \
    AND NOT EXISTS (SELECT 1 FROM identities AS o WHERE o.provider = $1 AND o.subject = $3)";
const DELETE: &str = "DELETE FROM identities WHERE id = $1 AND user_id = $2 RETURNING provider";
const DELETE_ALL: &str = "DELETE FROM identities WHERE user_id = $1";
/// The guard of a user whom an identity is to be joined to by an address: it is theirs, and known to be.
const HOLD_VERIFIED: &str = "UPDATE users SET version = version WHERE id = $1 AND credential_epoch = $2 \
    AND email_key = $3 AND email_verified_at IS NOT NULL AND disabled_at IS NULL AND owner_id IS NULL";
/// The guard of a user who links an identity themselves.
const HOLD_STANDING: &str =
    "UPDATE users SET version = version WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL";
/// The guard of a user who gives one up. Whoever signs in by it at this moment comes before it, or not at all.
const MOVE_EPOCH: &str = "UPDATE users SET credential_epoch = credential_epoch + 1, version = version + 1, \
    updated_at = $2 WHERE id = $1";

row! {
    struct IdentityRow {
        id: Uuid, provider: String, subject: String, user_id: Uuid, email: Option<String>, created_at: i64,
        last_used_at: Option<i64>,
    }
}

row! {
    struct FoundRow { identity_id: Uuid }
}

impl From<IdentityRow> for Identity {
    fn from(row: IdentityRow) -> Self {
        Self {
            id: IdentityId::from_uuid(row.id),
            provider: row.provider,
            subject: row.subject,
            user: UserId::from_uuid(row.user_id),
            email: row.email,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
        }
    }
}

/// A user, found by who they are at a provider.
pub struct Found {
    /// By which identity.
    pub identity: IdentityId,
    /// The user.
    pub user: User,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Found
where
    UserRow: sqlx::FromRow<'r, R>,
    FoundRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let identity = IdentityId::from_uuid(FoundRow::from_row(row)?.identity_id);
        Ok(Self { identity, user: UserRow::from_row(row)?.into() })
    }
}

impl Store {
    /// The user who is `subject` at `provider`.
    pub async fn user_of_identity(&self, provider: &str, subject: &str) -> Result<Option<Found>, StoreError> {
        on!(&self.db, db => sqlx::query_as(USER_OF).bind(provider).bind(subject).fetch_optional(db))
    }

    /// Who a user is elsewhere, the longest known first.
    pub async fn identities(&self, user: UserId) -> Result<Vec<Identity>, StoreError> {
        let rows: Vec<IdentityRow> =
            on!(&self.db, db => sqlx::query_as(OF_USER).bind(user.uuid()).fetch_all(db))?;
        Ok(rows.into_iter().map(Identity::from).collect())
    }

    /// The providers at which a user is known.
    pub async fn providers_of(&self, user: UserId) -> Result<Vec<String>, StoreError> {
        on!(&self.db, db => sqlx::query_scalar(PROVIDERS).bind(user.uuid()).fetch_all(db))
    }
}

/// Notes who a user is at a provider; `false`: somebody is that already.
pub async fn insert(tx: &mut Tx, new: &Identity) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(new.id.uuid())
            .bind(&new.provider)
            .bind(&new.subject)
            .bind(new.user.uuid())
            .bind(&new.email)
            .bind(new.created_at.micros())
    )?;
    Ok(done > 0)
}

/// The same of a user whose address a provider vouches for, if the user has it still, and has shown that it is theirs.
pub async fn join(tx: &mut Tx, new: &Identity, standing: &Standing) -> Result<bool, StoreError> {
    let held = affected!(
        tx,
        sqlx::query(HOLD_VERIFIED).bind(standing.user.uuid()).bind(standing.epoch).bind(standing.email.key())
    )?;
    Ok(held > 0 && insert(tx, new).await?)
}

/// What became of an identity that a user wanted to be theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is.
    Done,
    /// It was already.
    Own,
    /// It is somebody else's.
    Taken,
    /// What proves the user has changed meanwhile, or they are disabled.
    Moved,
}

/// Makes an identity the user's, if nothing that proves them has changed since `epoch`. The session from which they ask is
/// the caller's to have held.
pub async fn link(tx: &mut Tx, new: &Identity, epoch: i64) -> Result<Link, StoreError> {
    if affected!(tx, sqlx::query(HOLD_STANDING).bind(new.user.uuid()).bind(epoch))? == 0 {
        return Ok(Link::Moved);
    }
    if insert(tx, new).await? {
        return Ok(Link::Done);
    }
    let of_user: Vec<IdentityRow> =
        on_tx!(tx, db => sqlx::query_as(OF_USER).bind(new.user.uuid()).fetch_all(db))?;
    let own = of_user.iter().any(|one| one.provider == new.provider && one.subject == new.subject);
    Ok(if own { Link::Own } else { Link::Taken })
}

/// Takes an identity from a user, whose row the caller holds, and moves their epoch; its provider. `None`: it is not theirs.
pub async fn unlink(
    tx: &mut Tx,
    id: IdentityId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let provider: Option<String> =
        on_tx!(tx, db => sqlx::query_scalar(DELETE).bind(id.uuid()).bind(user.uuid()).fetch_optional(db))?;
    if provider.is_some() {
        affected!(tx, sqlx::query(MOVE_EPOCH).bind(user.uuid()).bind(now.micros()))?;
    }
    Ok(provider)
}

/// Takes all identities from a user.
pub async fn unlink_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(DELETE_ALL).bind(user.uuid()))?;
    Ok(())
}

/// Notes a sign-in, and the address that the provider told.
pub async fn note_use(
    tx: &mut Tx,
    id: IdentityId,
    email: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(NOTE_USE).bind(id.uuid()).bind(now.micros()).bind(email))?;
    Ok(())
}

/// Gives an imported identity its lasting name; `false`: there is none under `from`, or one under `to`.
pub async fn rename(tx: &mut Tx, provider: &str, from: &str, to: &str) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(RENAME).bind(provider).bind(from).bind(to))? > 0)
}
