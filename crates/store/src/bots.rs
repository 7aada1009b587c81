//! Bots: users that belong to a user. They have no password, and act in their owner's account.

use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Email, Role, User};
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx};
use crate::error::StoreError;
use crate::new_session::{Asker, hold_asker};
use crate::users::{BY_OWNER, FIRST_EPOCH, FIRST_VERSION, ONE_OWNED, UserRow};

const INSERT: &str = "INSERT INTO users (id, email, email_key, name, role, account_id, account_role, \
    must_change_password, credential_epoch, version, created_at, updated_at, owner_id) \
    SELECT $1, $2, $2, $3, $4, o.account_id, CASE WHEN o.account_id IS NULL THEN NULL ELSE 'member' END, FALSE, \
    $5, $6, $7, $7, o.id FROM users AS o WHERE o.id = $8 \
    AND (SELECT COUNT(*) FROM users AS b WHERE b.owner_id = $8) < $9";
const INSERT_MEMBERSHIP: &str = "INSERT INTO memberships (user_id, account_id, role, created_at) \
    SELECT id, account_id, account_role, created_at FROM users WHERE id = $1 AND account_id IS NOT NULL";
const RENAME: &str = "UPDATE users SET name = $3, version = version + 1, updated_at = $4 \
    WHERE id = $1 AND owner_id = $2";
const HOLD: &str = "UPDATE users SET credential_epoch = credential_epoch + 1 WHERE id = $1 AND owner_id = $2";
const LIVE_SESSIONS: &str = "SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL";
const DELETE: &str = "DELETE FROM users WHERE id = $1";

/// A bot to be made.
#[derive(Clone, Debug)]
pub struct NewBot {
    /// Id.
    pub id: UserId,
    /// Whose, and in which session they ask: that is held with their row, and so bots of one owner are counted
    /// one after the other.
    pub owner: Asker,
    /// What its owner calls it.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Now.
    pub now: Timestamp,
    /// Most bots of one owner.
    pub most: i64,
}

/// What became of a [`NewBot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Made.
    Done,
    /// The owner has as many as they may.
    TooMany,
    /// The owner is disabled or gone, or their session has ended.
    NoOwner,
}

impl Store {
    /// The bots of a user, oldest first. There are few.
    pub async fn bots(&self, owner: UserId) -> Result<Vec<User>, StoreError> {
        let rows: Vec<UserRow> =
            on!(&self.db, db => sqlx::query_as(BY_OWNER).bind(owner.uuid()).fetch_all(db))?;
        Ok(rows.into_iter().map(User::from).collect())
    }

    /// One bot of a user.
    pub async fn bot(&self, id: UserId, owner: UserId) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = on!(&self.db, db => sqlx::query_as(ONE_OWNED)
            .bind(id.uuid())
            .bind(owner.uuid())
            .fetch_optional(db))?;
        Ok(row.map(User::from))
    }
}

/// Makes a bot, if there is room for one more.
pub async fn insert(tx: &mut Tx, new: &NewBot) -> Result<Made, StoreError> {
    // No bot has a session of its own, only one that its owner acts in: so none owns another.
    if hold_asker(tx, new.owner, false, new.now).await?.is_none() {
        return Ok(Made::NoOwner);
    }
    let made = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(new.id.uuid())
            .bind(Email::of_bot(new.id).key())
            .bind(&new.name)
            .bind(new.role.as_str())
            .bind(FIRST_EPOCH)
            .bind(FIRST_VERSION)
            .bind(new.now.micros())
            .bind(new.owner.user.uuid())
            .bind(new.most)
    )?;
    if made == 0 {
        return Ok(Made::TooMany);
    }
    affected!(tx, sqlx::query(INSERT_MEMBERSHIP).bind(new.id.uuid()))?;
    Ok(Made::Done)
}

/// Names a bot anew; `false`: the owner has no such bot.
pub async fn rename(
    tx: &mut Tx,
    id: UserId,
    owner: UserId,
    name: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done =
        affected!(tx, sqlx::query(RENAME).bind(id.uuid()).bind(owner.uuid()).bind(name).bind(now.micros()))?;
    Ok(done > 0)
}

/// Deletes a bot with all that is its own. The ids of its live sessions come back, for the revocation list;
/// `None`: the owner has no such bot.
pub async fn delete(tx: &mut Tx, id: UserId, owner: UserId) -> Result<Option<Vec<Uuid>>, StoreError> {
    // From here on no session is made: whoever makes one holds this row.
    if affected!(tx, sqlx::query(HOLD).bind(id.uuid()).bind(owner.uuid()))? == 0 {
        return Ok(None);
    }
    let sessions = on_tx!(tx, db => sqlx::query_scalar(LIVE_SESSIONS).bind(id.uuid()).fetch_all(db))?;
    affected!(tx, sqlx::query(DELETE).bind(id.uuid()))?;
    Ok(Some(sessions))
}
