//! Invites. An invite is spent by a guarded statement in the transaction that makes the user or the member: of two
//! who use the last one at the same moment, one finds it spent, and nothing else of theirs stays.

use portcullis_core::ids::{AccountId, InviteId, UserId};
use portcullis_core::invite::{Invite, Kind};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::server_key::KeyId;
use portcullis_core::subscription::Plan;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Email, Role};
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;

macro_rules! columns {
    () => {
        "id, shown, key_id, email, email_key, account_id, account_role, plan, trial_days, uses, used, created_by, \
         created_at, expires_at, revoked_at"
    };
}

const INSERT: &str = "INSERT INTO invites (id, code_hash, shown, key_id, email, email_key, account_id, account_role, \
    plan, trial_days, uses, used, created_by, created_at, expires_at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14 \
    WHERE $7 IS NULL OR EXISTS (SELECT 1 FROM accounts WHERE id = $7)";
const BY_CODE: &str =
    concat!("SELECT ", columns!(), " FROM invites WHERE code_hash = $1 AND (account_id IS NOT NULL) = $2");
const ONE: &str = concat!("SELECT ", columns!(), " FROM invites WHERE id = $1");
const LIST: &str = concat!("SELECT ", columns!(), " FROM invites WHERE id < $1 ORDER BY id DESC LIMIT $2");
const OF_ACCOUNT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM invites WHERE account_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2"
);
const SPEND: &str = "UPDATE invites SET used = used + 1 WHERE id = $1 AND used < uses AND revoked_at IS NULL \
    AND (expires_at IS NULL OR expires_at > $2)";
const NOTE_USE: &str = "INSERT INTO invite_uses (invite_id, user_id, used_at) VALUES ($1, $2, $3)";
const REVOKE: &str =
    "UPDATE invites SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL AND used < uses";
const RENEW: &str = concat!(
    "UPDATE invites SET code_hash = $2, shown = $3, key_id = $4, expires_at = $5 \
     WHERE id = $1 AND revoked_at IS NULL AND used < uses RETURNING ",
    columns!()
);
const PURGE: &str = "DELETE FROM invites WHERE revoked_at <= $1 OR expires_at <= $1";

row! {
    struct InviteRow {
        id: Uuid, shown: String, key_id: i64, email: Option<String>, email_key: Option<String>,
        account_id: Option<Uuid>, account_role: Option<String>, plan: Option<String>, trial_days: Option<i64>,
        uses: i64, used: i64, created_by: Option<Uuid>, created_at: i64, expires_at: Option<i64>,
        revoked_at: Option<i64>,
    }
}

impl From<InviteRow> for Invite {
    fn from(row: InviteRow) -> Self {
        // Beyond its range only if somebody else wrote it; then nobody is let in.
        let count = |number: i64| u32::try_from(number).unwrap_or_default();
        Self {
            id: InviteId::from_uuid(row.id),
            email: row.email.zip(row.email_key).map(|(shown, key)| Email::from_stored(shown, key)),
            account: row.account_id.map(AccountId::from_uuid).zip(row.account_role.map(Role::from_stored)),
            plan: row.plan.map(Plan::from_stored),
            trial_days: row.trial_days.map(count),
            uses: count(row.uses),
            used: u32::try_from(row.used).unwrap_or(u32::MAX),
            shown: row.shown,
            key_id: KeyId(count(row.key_id)),
            created_by: row.created_by.map(UserId::from_uuid),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_micros),
            revoked_at: row.revoked_at.map(Timestamp::from_micros),
        }
    }
}

/// Which invites to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of one account.
    Of(AccountId),
}

impl Store {
    /// The invite with this code.
    pub async fn invite_by_code(&self, kind: Kind, code: SecretDigest) -> Result<Option<Invite>, StoreError> {
        let row: Option<InviteRow> = on!(&self.db, db => sqlx::query_as(BY_CODE)
            .bind(&code.0[..])
            .bind(kind == Kind::Account)
            .fetch_optional(db))?;
        Ok(row.map(Invite::from))
    }

    /// One invite.
    pub async fn invite(&self, id: InviteId) -> Result<Option<Invite>, StoreError> {
        let row: Option<InviteRow> =
            on!(&self.db, db => sqlx::query_as(ONE).bind(id.uuid()).fetch_optional(db))?;
        Ok(row.map(Invite::from))
    }

    /// Invites, newest first, made before one.
    pub async fn invites(
        &self,
        which: Which,
        before: Option<InviteId>,
        limit: i64,
    ) -> Result<Vec<Invite>, StoreError> {
        let before = before.map_or(Uuid::max(), InviteId::uuid);
        let rows: Vec<InviteRow> = match which {
            Which::All => on!(&self.db, db => sqlx::query_as(LIST).bind(before).bind(limit).fetch_all(db))?,
            Which::Of(account) => on!(&self.db, db => sqlx::query_as(OF_ACCOUNT)
                .bind(before)
                .bind(limit)
                .bind(account.uuid())
                .fetch_all(db))?,
        };
        Ok(rows.into_iter().map(Invite::from).collect())
    }
}

/// Makes an invite; `false`: there is no such account.
pub async fn insert(tx: &mut Tx, new: &Invite, code: SecretDigest) -> Result<bool, StoreError> {
    let made = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(new.id.uuid())
            .bind(&code.0[..])
            .bind(&new.shown)
            .bind(i64::from(new.key_id.0))
            .bind(new.email.as_ref().map(Email::as_str))
            .bind(new.email.as_ref().map(Email::key))
            .bind(new.account.as_ref().map(|(account, _)| account.uuid()))
            .bind(new.account.as_ref().map(|(_, role)| role.as_str()))
            .bind(new.plan.as_ref().map(Plan::as_str))
            .bind(new.trial_days.map(i64::from))
            .bind(i64::from(new.uses))
            .bind(new.created_by.map(UserId::uuid))
            .bind(new.created_at.micros())
            .bind(new.expires_at.map(Timestamp::micros))
    )?;
    Ok(made > 0)
}

/// Spends one use of an invite on `user`; `false`: there is none left, or it was revoked or has expired.
pub async fn spend(tx: &mut Tx, id: InviteId, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    if affected!(tx, sqlx::query(SPEND).bind(id.uuid()).bind(now.micros()))? == 0 {
        return Ok(false);
    }
    affected!(tx, sqlx::query(NOTE_USE).bind(id.uuid()).bind(user.uuid()).bind(now.micros()))?;
    Ok(true)
}

/// Takes an invite back; `false`: there is none that could still be used.
pub async fn revoke(tx: &mut Tx, id: InviteId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(REVOKE).bind(id.uuid()).bind(now.micros()))? > 0)
}

/// A code and an end for an invite that is mailed once more.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Which.
    pub id: InviteId,
    /// Its code now: the same as long as the server key is.
    pub code: SecretDigest,
    /// The characters of it that may be shown.
    pub shown: String,
    /// The server key it is derived under.
    pub key_id: KeyId,
    /// Good until.
    pub expires_at: Option<Timestamp>,
}

/// Renews an invite; `None`: there is none that could still be used.
pub async fn renew(tx: &mut Tx, renewal: &Renewal) -> Result<Option<Invite>, StoreError> {
    let row: Option<InviteRow> = on_tx!(tx, db => sqlx::query_as(RENEW)
        .bind(renewal.id.uuid())
        .bind(&renewal.code.0[..])
        .bind(&renewal.shown)
        .bind(i64::from(renewal.key_id.0))
        .bind(renewal.expires_at.map(Timestamp::micros))
        .fetch_optional(db))?;
    Ok(row.map(Invite::from))
}

/// Deletes what was revoked or ran out before `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(before.micros()))?)
}
