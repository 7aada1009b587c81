//! In how many ways a user can sign in: whoever takes one away leaves another.

use portcullis_core::ids::UserId;

use crate::db::{Tx, on_tx};
use crate::error::StoreError;

/// One more way in is one more line here.
const COUNT: &str = "SELECT CAST((CASE WHEN password_hash IS NULL THEN 0 ELSE 1 END) \
    + (SELECT COUNT(*) FROM passkeys WHERE passkeys.user_id = users.id) AS BIGINT) FROM users WHERE id = $1";

/// How many there are. Only with the user's row held is it still true when one of them goes.
pub async fn count(tx: &mut Tx, user: UserId) -> Result<i64, StoreError> {
    let ways: Option<i64> =
        on_tx!(tx, db => sqlx::query_scalar(COUNT).bind(user.uuid()).fetch_optional(db))?;
    Ok(ways.unwrap_or_default())
}
