//! Addresses whose owner comes after somebody else has registered them. Whatever that one may still hold is taken from
//! them in one transaction: password, factors, sessions, tokens, identities, links, invites (Sudhodanan and Paverd,
//! "Pre-hijacked accounts", USENIX Security 2022).

use portcullis_core::ids::UserId;
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::addresses::Standing;
use crate::db::{Tx, affected, on_tx};
use crate::error::StoreError;
use crate::{api_tokens, factors, identities, sessions};

/// The guard: the address is the user's and was never shown to be, and nothing that proves them has changed.
const CLAIM: &str = "UPDATE users SET password_hash = NULL, must_change_password = FALSE, factors = 0, email_verified_at = $4, \
    credential_epoch = credential_epoch + 1, version = version + 1, updated_at = $4 \
    WHERE id = $1 AND credential_epoch = $2 AND email_key = $3 AND email_verified_at IS NULL \
    AND disabled_at IS NULL AND owner_id IS NULL AND role <> 'admin'";
const HOLD_UNPROVED: &str = "UPDATE users SET version = version WHERE id = $1 AND email_verified_at IS NULL";
const MOVE_BOTS: &str = "UPDATE users SET credential_epoch = credential_epoch + 1 WHERE owner_id = $1";
const BOT_TOKENS: &str = "UPDATE api_tokens SET revoked_at = $2 WHERE revoked_at IS NULL \
    AND user_id IN (SELECT id FROM users WHERE owner_id = $1) RETURNING id";
const BOT_SESSIONS: &str = "UPDATE sessions SET ended_at = $2, end_cause = 'claimed' WHERE ended_at IS NULL \
    AND user_id IN (SELECT id FROM users WHERE owner_id = $1) RETURNING id";
/// All else by which somebody proves that they are the user, or by which something of theirs can still be changed.
const FORGET: [&str; 9] = [
    "DELETE FROM passkeys WHERE user_id = $1",
    "DELETE FROM passkey_ceremonies WHERE user_id = $1",
    "DELETE FROM totp_factors WHERE user_id = $1",
    "DELETE FROM recovery_codes WHERE user_id = $1",
    "DELETE FROM trusted_devices WHERE user_id = $1",
    "DELETE FROM login_challenges WHERE user_id = $1",
    "DELETE FROM links WHERE subject = $1 OR user_id = $1",
    "DELETE FROM mail_requests WHERE user_id = $1",
    FLOWS,
];
const FLOWS: &str = "DELETE FROM oauth_flows WHERE user_id = $1";
const INVITES: &str =
    "UPDATE invites SET revoked_at = $2 WHERE created_by = $1 AND revoked_at IS NULL AND used < uses";

/// Gives a user to whoever has shown that the user's address is theirs; the ids of what ended, for the list of
/// revocations. `None`: the address has been shown by now, or something that proves the user has changed.
pub async fn claim(
    tx: &mut Tx,
    standing: &Standing,
    now: Timestamp,
) -> Result<Option<Vec<Uuid>>, StoreError> {
    let user = standing.user;
    let done = affected!(
        tx,
        sqlx::query(CLAIM)
            .bind(user.uuid())
            .bind(standing.epoch)
            .bind(standing.email.key())
            .bind(now.micros())
    )?;
    if done == 0 {
        return Ok(None);
    }
    identities::unlink_all(tx, user).await?;
    for statement in FORGET {
        affected!(tx, sqlx::query(statement).bind(user.uuid()))?;
    }
    affected!(tx, sqlx::query(MOVE_BOTS).bind(user.uuid()))?;
    affected!(tx, sqlx::query(INVITES).bind(user.uuid()).bind(now.micros()))?;
    Ok(Some(end_all(tx, user, now).await?))
}

/// Forgets who a user is at providers, their passkeys, what their bots hold and invites, if their address was never shown
/// to be theirs: somebody who shows that now may be somebody else, and each of these is a way in without the password.
/// The ids of what ended, for the list of revocations. The user's row is held from here on.
pub async fn forget_unproved(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    if affected!(tx, sqlx::query(HOLD_UNPROVED).bind(user.uuid()))? > 0 {
        identities::unlink_all(tx, user).await?;
        affected!(tx, sqlx::query(FLOWS).bind(user.uuid()))?;
        // Older than any: all of them.
        factors::passkeys_gone(tx, user, Uuid::nil()).await?;
        affected!(tx, sqlx::query(MOVE_BOTS).bind(user.uuid()))?;
        affected!(tx, sqlx::query(INVITES).bind(user.uuid()).bind(now.micros()))?;
        return end_bots(tx, user, now).await;
    }
    Ok(Vec::new())
}

async fn end_all(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    let mut ended = sessions::end_all(tx, user, None, now, EndCause::Claimed).await?;
    ended.extend(api_tokens::revoke_all(tx, user, now).await?);
    ended.extend(end_bots(tx, user, now).await?);
    Ok(ended)
}

async fn end_bots(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    let mut ended = Vec::new();
    for statement in [BOT_SESSIONS, BOT_TOKENS] {
        let more: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(statement)
            .bind(user.uuid())
            .bind(now.micros())
            .fetch_all(db))?;
        ended.extend(more);
    }
    Ok(ended)
}
