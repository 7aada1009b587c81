//! When and from where API tokens were last used.

use std::time::Duration;

use portcullis_core::ids::ApiTokenId;
use portcullis_core::time::Timestamp;

use crate::db::{Tx, affected};
use crate::error::StoreError;

/// Every node notes uses by what it remembers; here it is said how often the row is written at the most.
const USED: &str = "UPDATE api_tokens SET last_used_at = $2, last_address = COALESCE($3, last_address) \
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $4)";
const USED_ELSEWHERE: &str = "UPDATE api_tokens SET last_used_at = $2, last_address = $3 WHERE id = $1 \
    AND last_address <> $3 AND last_used_at < $2";

/// A use of a token.
#[derive(Clone, Debug)]
pub struct TokenUse {
    /// Which token.
    pub id: ApiTokenId,
    /// When.
    pub at: Timestamp,
    /// From where, if anybody knows.
    pub address: Option<String>,
}

/// Notes a use, unless one was noted within `every` before it. `true`: the one noted last came from elsewhere.
pub async fn note(tx: &mut Tx, used: &TokenUse, every: Duration) -> Result<bool, StoreError> {
    let elsewhere = affected!(
        tx,
        sqlx::query(USED_ELSEWHERE).bind(used.id.uuid()).bind(used.at.micros()).bind(&used.address)
    )?;
    if elsewhere > 0 {
        return Ok(true);
    }
    affected!(
        tx,
        sqlx::query(USED)
            .bind(used.id.uuid())
            .bind(used.at.micros())
            .bind(&used.address)
            .bind((used.at - every).micros())
    )?;
    Ok(false)
}
