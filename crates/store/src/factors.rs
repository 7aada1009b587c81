//! Which second factors a user has, as every sign-in reads it from the user's row, and what follows a change of that.

use portcullis_core::factor::{Factor, Factors};
use portcullis_core::ids::UserId;
use portcullis_core::session::Grant;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::db::{Tx, affected, on_tx};
use crate::error::StoreError;
use crate::revocations::{self, Span};
use crate::sessions::{self, Renewal};
use crate::{passkeys, recovery_codes, totp, trusted_devices};

/// What proves the user has changed: the epoch moves.
const ADD: &str = "UPDATE users SET factors = factors | $3, credential_epoch = credential_epoch + 1, \
    version = version + 1, updated_at = $4 WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL \
    RETURNING factors";
const REMOVE: &str = "UPDATE users SET factors = factors & $3, credential_epoch = credential_epoch + 1, \
    version = version + 1, updated_at = $4 WHERE id = $1 AND credential_epoch = $2 RETURNING factors";

const FORGET_CODES: &str = "DELETE FROM recovery_codes WHERE user_id = $1 \
    AND EXISTS (SELECT 1 FROM users WHERE id = $1 AND factors = 0)";

/// Whose factors change, if what proves them is as it was when that was decided.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Whose.
    pub user: UserId,
    /// The credential epoch that was read before.
    pub epoch: i64,
    /// Now.
    pub now: Timestamp,
}

/// Notes that the user has `factor`, and moves the epoch. The factors they have now; `None`: the epoch has moved
/// already, or they are disabled. Comes first in its transaction, and [`settle`] last.
pub async fn add(tx: &mut Tx, change: Change, factor: Factor) -> Result<Option<Factors>, StoreError> {
    let bits = Factors::NONE.with(factor).bits();
    run(tx, ADD, change, bits).await
}

/// Notes that the user has no more of `factor`, or with `None` of any, and moves the epoch. The factors that are left;
/// `None`: the epoch has moved already.
pub async fn remove(
    tx: &mut Tx,
    change: Change,
    factor: Option<Factor>,
) -> Result<Option<Factors>, StoreError> {
    let bits = factor.map_or(0, |factor| Factors::from_stored(-1).without(factor).bits());
    run(tx, REMOVE, change, bits).await
}

async fn run(
    tx: &mut Tx,
    statement: &'static str,
    change: Change,
    bits: i64,
) -> Result<Option<Factors>, StoreError> {
    let factors: Option<i64> = on_tx!(tx, db => sqlx::query_scalar(statement)
        .bind(change.user.uuid())
        .bind(change.epoch)
        .bind(bits)
        .bind(change.now.micros())
        .fetch_optional(db))?;
    Ok(factors.map(Factors::from_stored))
}

/// A session that goes on with a new secret, because more was shown in it of who its user is.
#[derive(Clone, Debug)]
pub struct StepUp {
    /// The new secret.
    pub renewal: Renewal,
    /// All that was shown, as `amr` has it.
    pub methods: Vec<String>,
}

/// Takes the factors of a user away that were set up after `since`, which is an id of that moment: whoever came in then
/// does not come back by them. The epoch moves in the same transaction.
pub async fn remove_younger(tx: &mut Tx, user: UserId, since: Uuid) -> Result<(), StoreError> {
    totp::remove_younger(tx, user, since).await?;
    passkeys_gone(tx, user, since).await
}

/// The same of passkeys alone: each signs in without the password.
pub async fn passkeys_gone(tx: &mut Tx, user: UserId, since: Uuid) -> Result<(), StoreError> {
    passkeys::remove_younger(tx, user, since).await?;
    // Without a factor there are no codes that stand for one: they may have come with what is gone.
    affected!(tx, sqlx::query(FORGET_CODES).bind(user.uuid()))?;
    sessions::copy_user(tx, user).await
}

/// What follows a change of factors in the same transaction: no device is trusted any more, and without a factor there
/// are no recovery codes; every live session has the new set; their access tokens so far end, and they live on. The
/// session of `step_up` gets a new secret, and its next token is good; [`StoreError::Refused`]: it has ended.
pub async fn settle(
    tx: &mut Tx,
    user: UserId,
    factors: Factors,
    step_up: Option<&StepUp>,
    span: Span,
) -> Result<Option<Grant>, StoreError> {
    trusted_devices::remove_all(tx, user).await?;
    if factors.is_empty() {
        recovery_codes::replace(tx, user, &[]).await?;
    }
    sessions::copy_user(tx, user).await?;
    let mut grant = None;
    if let Some(step_up) = step_up {
        grant = Some(sessions::step_up(tx, step_up).await?.ok_or(StoreError::Refused)?);
    }
    // The list comes last: whoever holds its lock waits for no row.
    let but = step_up.map(|step_up| step_up.renewal.session);
    revocations::append_user_but_newest(tx, user, but, span).await?;
    if let Some(grant) = &mut grant {
        grant.status_index = sessions::status_index(tx, grant.session).await?;
    }
    Ok(grant)
}
