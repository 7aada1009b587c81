//! Users' addresses, and what whoever shows that one is theirs may do.

use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;

use crate::db::{Tx, affected, on_tx};
use crate::error::{StoreError, lost_a_race};

const RESET_PASSWORD: &str = "UPDATE users SET password_hash = $4, must_change_password = FALSE, \
    email_verified_at = COALESCE(email_verified_at, $5), credential_epoch = credential_epoch + 1, \
    version = version + 1, updated_at = $5 \
    WHERE id = $1 AND credential_epoch = $2 AND email_key = $3 AND disabled_at IS NULL";
const VERIFY_EMAIL: &str = "UPDATE users SET email_verified_at = COALESCE(email_verified_at, $4), \
    version = version + 1, updated_at = $4 \
    WHERE id = $1 AND credential_epoch = $2 AND email_key = $3 AND disabled_at IS NULL";
const EMAIL_TAKEN: &str = "SELECT COUNT(*) FROM users WHERE email_key = $1 AND id <> $2";
const CHANGE_EMAIL: &str = "UPDATE users SET email = $3, email_key = $4, email_verified_at = $5, \
    credential_epoch = credential_epoch + 1, version = version + 1, updated_at = $5 \
    WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL";
const UNDO_CHANGE: &str = "UPDATE users SET email = $2, email_key = $3, email_verified_at = $4, \
    password_hash = NULL, credential_epoch = credential_epoch + 1, version = version + 1, updated_at = $4 \
    WHERE id = $1 AND disabled_at IS NULL";

/// Whom a mailed link is about: as they stood when it was made.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The user.
    pub user: UserId,
    /// Their credential epoch.
    pub epoch: i64,
    /// Their address.
    pub email: Email,
}

/// Sets a password for whoever has shown that the address is theirs, which proves the address too; `false`: address or
/// epoch have changed, or the user is disabled.
pub async fn reset_password(
    tx: &mut Tx,
    standing: &Standing,
    hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(RESET_PASSWORD)
            .bind(standing.user.uuid())
            .bind(standing.epoch)
            .bind(standing.email.key())
            .bind(hash)
            .bind(now.micros())
    )?;
    Ok(done > 0)
}

/// Notes that the address is the user's; `false`: address or epoch have changed, or the user is disabled.
pub async fn verify_email(tx: &mut Tx, standing: &Standing, now: Timestamp) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(VERIFY_EMAIL)
            .bind(standing.user.uuid())
            .bind(standing.epoch)
            .bind(standing.email.key())
            .bind(now.micros())
    )?;
    Ok(done > 0)
}

/// What became of a change of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeEmail {
    /// Done; the epoch has moved.
    Done,
    /// Somebody else has the address.
    Taken,
    /// The epoch has moved before, or the user is disabled.
    Moved,
}

/// Puts `standing.email`, which its owner has shown to be theirs, in the place of the user's address. Of two users who get one address at the same moment on PostgreSQL, the later runs into the index, and then runs
/// again and sees the first.
pub async fn change_email(
    tx: &mut Tx,
    standing: &Standing,
    now: Timestamp,
) -> Result<ChangeEmail, StoreError> {
    if is_taken(tx, standing.user, &standing.email).await? {
        return Ok(ChangeEmail::Taken);
    }
    let done = affected!(
        tx,
        sqlx::query(CHANGE_EMAIL)
            .bind(standing.user.uuid())
            .bind(standing.epoch)
            .bind(standing.email.as_str())
            .bind(standing.email.key())
            .bind(now.micros())
    )
    .map_err(lost_a_race)?;
    Ok(if done > 0 { ChangeEmail::Done } else { ChangeEmail::Moved })
}

/// Brings `email` back, which somebody had put another in the place of. They knew the password, or had a session: nobody
/// signs in with that password again.
pub async fn undo_change(
    tx: &mut Tx,
    user: UserId,
    email: &Email,
    now: Timestamp,
) -> Result<ChangeEmail, StoreError> {
    if is_taken(tx, user, email).await? {
        return Ok(ChangeEmail::Taken);
    }
    let done = affected!(
        tx,
        sqlx::query(UNDO_CHANGE).bind(user.uuid()).bind(email.as_str()).bind(email.key()).bind(now.micros())
    )
    .map_err(lost_a_race)?;
    Ok(if done > 0 { ChangeEmail::Done } else { ChangeEmail::Moved })
}

async fn is_taken(tx: &mut Tx, user: UserId, email: &Email) -> Result<bool, StoreError> {
    let taken: i64 = on_tx!(tx, db => sqlx::query_scalar(EMAIL_TAKEN)
        .bind(email.key())
        .bind(user.uuid())
        .fetch_one(db))?;
    Ok(taken > 0)
}
