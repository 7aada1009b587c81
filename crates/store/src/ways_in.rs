//! By what a user can sign in. Whoever takes one of these away counts what is left in the same transaction, while the
//! user's row is held: of two who take the last two at once, one finds none left and undoes what they did.

use portcullis_core::ids::UserId;

use crate::db::{Tx, on_tx};
use crate::error::StoreError;

const PASSWORD: &str = "SELECT COUNT(*) FROM users WHERE id = $1 AND password_hash IS NOT NULL";
const PROVIDERS: &str = "SELECT DISTINCT provider FROM identities WHERE user_id = $1";
const PASSKEYS: &str = "SELECT COUNT(*) FROM passkeys WHERE user_id = $1";

/// What a user can sign in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaysIn {
    /// A password.
    pub password: bool,
    /// Providers at which they are known, be they configured or not.
    pub providers: Vec<String>,
    /// So many passkeys.
    pub passkeys: i64,
}

/// By what a user can sign in now. The caller holds their row.
pub async fn of(tx: &mut Tx, user: UserId) -> Result<WaysIn, StoreError> {
    let passwords: i64 = on_tx!(tx, db => sqlx::query_scalar(PASSWORD).bind(user.uuid()).fetch_one(db))?;
    let providers: Vec<String> =
        on_tx!(tx, db => sqlx::query_scalar(PROVIDERS).bind(user.uuid()).fetch_all(db))?;
    let passkeys: i64 = on_tx!(tx, db => sqlx::query_scalar(PASSKEYS).bind(user.uuid()).fetch_one(db))?;
    Ok(WaysIn { password: passwords > 0, providers, passkeys })
}
