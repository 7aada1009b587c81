//! What somebody who got into an account may have left there to come back by. Whoever throws them out takes it away in
//! the same transaction.

use std::time::Duration;

use portcullis_core::ids::UserId;
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::db::{Tx, affected, on_tx};
use crate::error::StoreError;
use crate::{factors, recovery_codes};

/// The tokens of a user and of their bots.
const TOKENS: &str = "UPDATE api_tokens SET revoked_at = $2 WHERE revoked_at IS NULL AND id > $3 \
    AND user_id IN (SELECT id FROM users WHERE id = $1 OR owner_id = $1) RETURNING id";
const BOT_SESSIONS: &str = "UPDATE sessions SET ended_at = $2, end_cause = $4 WHERE ended_at IS NULL AND id > $3 \
    AND user_id IN (SELECT id FROM users WHERE owner_id = $1) RETURNING id";
const INVITES: &str = "UPDATE invites SET revoked_at = $2 WHERE created_by = $1 AND id > $3 AND revoked_at IS NULL \
    AND used < uses";
const IDENTITIES: &str = "DELETE FROM identities WHERE user_id = $1 AND created_at >= $2";

/// An identity is older than the session that began with it: by a second factor, shown within five minutes, at most.
const ARRIVAL: Duration = Duration::from_mins(6);

/// Forgets what was made for a user after `since`, which is an id of that moment: factors, identities, API tokens,
/// sessions and tokens of bots, invites. Recovery codes go, too: nobody knows who has read them. The ids of what ended,
/// for the list of revocations. The user's row is held, and its epoch has moved.
pub async fn forget_since(
    tx: &mut Tx,
    user: UserId,
    since: Uuid,
    now: Timestamp,
    cause: EndCause,
) -> Result<Vec<Uuid>, StoreError> {
    recovery_codes::replace(tx, user, &[]).await?;
    factors::remove_younger(tx, user, since).await?;
    let arrived = time_of(since) - ARRIVAL;
    affected!(tx, sqlx::query(IDENTITIES).bind(user.uuid()).bind(arrived.micros()))?;
    affected!(tx, sqlx::query(INVITES).bind(user.uuid()).bind(now.micros()).bind(since))?;
    let mut ended: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(TOKENS)
        .bind(user.uuid())
        .bind(now.micros())
        .bind(since)
        .fetch_all(db))?;
    let sessions: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(BOT_SESSIONS)
        .bind(user.uuid())
        .bind(now.micros())
        .bind(since)
        .bind(cause.as_str())
        .fetch_all(db))?;
    ended.extend(sessions);
    Ok(ended)
}

/// When an id was made (RFC 9562 section 5.7).
fn time_of(id: Uuid) -> Timestamp {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |time| time.to_unix());
    Timestamp::from_micros(seconds.cast_signed() * 1_000_000 + i64::from(nanos / 1_000))
}
