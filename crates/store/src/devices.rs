//! From where a user has signed in of late, with what.

use portcullis_core::ids::UserId;

use crate::Store;
use crate::db::on;
use crate::error::StoreError;

/// Sessions that were ended stay for a while. Whoever else acted in one is no device of the user's, and neither is one
/// that they know nothing of. Looks at so many rows of one index, however many there are.
const ADDRESSES: &str = "SELECT DISTINCT address FROM (SELECT device, address, acting, end_cause FROM sessions \
    WHERE user_id = $1 ORDER BY created_at DESC LIMIT 200) AS recent \
    WHERE device = $2 AND acting IS NULL AND (end_cause IS NULL OR end_cause <> 'not_me')";

impl Store {
    /// Where a device that calls itself `device` was, in the newest sessions of a user, live or ended.
    pub async fn addresses_of_device(&self, user: UserId, device: &str) -> Result<Vec<String>, StoreError> {
        Ok(on!(&self.db, db => sqlx::query_scalar(ADDRESSES).bind(user.uuid()).bind(device).fetch_all(db))?)
    }
}
