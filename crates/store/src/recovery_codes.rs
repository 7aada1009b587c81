//! Recovery codes of users, by their digests. Using one deletes it.

use portcullis_core::ids::UserId;
use portcullis_core::recovery_code::RecoveryDigest;

use crate::Store;
use crate::db::{Tx, affected, on};
use crate::error::StoreError;

const FORGET: &str = "DELETE FROM recovery_codes WHERE user_id = $1";
/// Only of who has a factor: without one there is nothing to recover.
const PUT: &str = "INSERT INTO recovery_codes (user_id, code_hash) SELECT id, $2 FROM users \
    WHERE id = $1 AND factors <> 0";
const HOLD: &str =
    "UPDATE users SET version = version WHERE id = $1 AND credential_epoch = $2 AND factors <> 0";
const IS_THERE: &str = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND code_hash = $2";
const TAKE: &str = "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2";
const COUNT: &str = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1";

impl Store {
    /// Whether a code is one of the user's that is left.
    pub async fn has_recovery_code(&self, user: UserId, code: RecoveryDigest) -> Result<bool, StoreError> {
        let count: i64 = on!(&self.db, db => sqlx::query_scalar(IS_THERE)
            .bind(user.uuid())
            .bind(&code.0[..])
            .fetch_one(db))?;
        Ok(count > 0)
    }

    /// How many a user has left.
    pub async fn count_recovery_codes(&self, user: UserId) -> Result<i64, StoreError> {
        on!(&self.db, db => sqlx::query_scalar(COUNT).bind(user.uuid()).fetch_one(db))
    }
}

/// Puts a new set in the place of the old one, after the user's row was changed in the same transaction.
pub async fn replace(tx: &mut Tx, user: UserId, codes: &[RecoveryDigest]) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(FORGET).bind(user.uuid()))?;
    for code in codes {
        affected!(tx, sqlx::query(PUT).bind(user.uuid()).bind(&code.0[..]))?;
    }
    Ok(())
}

/// The same of a user whose epoch is still `epoch`; `false`: it has moved, or they have no factor. Of two sets that are
/// made at once, the later one stands, whole.
pub async fn renew(
    tx: &mut Tx,
    user: UserId,
    epoch: i64,
    codes: &[RecoveryDigest],
) -> Result<bool, StoreError> {
    if affected!(tx, sqlx::query(HOLD).bind(user.uuid()).bind(epoch))? == 0 {
        return Ok(false);
    }
    replace(tx, user, codes).await?;
    Ok(true)
}

/// Takes a code; `false`: there is none like that any more.
pub async fn take(tx: &mut Tx, user: UserId, code: RecoveryDigest) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(TAKE).bind(user.uuid()).bind(&code.0[..]))? > 0)
}
