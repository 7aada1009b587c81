//! Users who go: at once, or after a time in which they cannot sign in and may change their mind.
//!
//! Whoever lets one go holds, in this order, the right to change who administers ([`ADMIN_LOCK`]), the user's accounts,
//! and the user's row. What is looked at after that stays so until the commit: of two administrators who go at once one
//! stays, and so does one of two owners; and no session, token or bot is made of a user who is gone.

use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use uuid::Uuid;

use crate::db::{Tx, affected, on, on_tx, row};
use crate::dialect::{ADMIN_LOCK, control_postgres};
use crate::error::StoreError;
use crate::new_session::{Asker, hold_asker};
use crate::{Store, sessions};

const ACCOUNTS: &str = "SELECT account_id FROM memberships WHERE user_id = $1 ORDER BY account_id";
const HOLD_ACCOUNT: &str = "UPDATE accounts SET name = name WHERE id = $1";
const HOLD_USER: &str =
    "UPDATE users SET version = version WHERE id = $1 AND owner_id IS NULL RETURNING role";
const HOLD_BOTS: &str = "UPDATE users SET credential_epoch = credential_epoch + 1 WHERE owner_id = $1";
const DUE_AT: &str = "SELECT due_at FROM deletions WHERE user_id = $1";
const OTHER_ADMINS: &str =
    "SELECT COUNT(*) FROM users WHERE role = 'admin' AND id <> $1 AND disabled_at IS NULL";
/// Other people than $1 who belong to an account, bots aside.
macro_rules! others {
    ($account:literal) => {
        concat!(
            "SELECT 1 FROM memberships AS o JOIN users AS u ON u.id = o.user_id \
             WHERE o.account_id = ",
            $account,
            " AND o.user_id <> $1 AND u.owner_id IS NULL"
        )
    };
}
/// Owners who are about to go themselves keep no account.
const LEFT_ALONE: &str = concat!(
    "SELECT COUNT(*) FROM memberships AS m WHERE m.user_id = $1 AND m.role = 'owner' AND EXISTS (",
    others!("m.account_id"),
    ") AND NOT EXISTS (",
    others!("m.account_id"),
    " AND o.role = 'owner' AND NOT EXISTS (SELECT 1 FROM deletions AS d WHERE d.user_id = o.user_id))"
);
const DISABLE: &str = "UPDATE users SET disabled_at = $3, credential_epoch = credential_epoch + 1, \
    version = version + 1, updated_at = $3 WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL";
const NOTE: &str = "INSERT INTO deletions (user_id, requested_at, due_at, also_disabled) \
    VALUES ($1, $2, $3, FALSE) ON CONFLICT (user_id) DO UPDATE SET requested_at = excluded.requested_at, \
    due_at = excluded.due_at, also_disabled = FALSE";
const HOLD_STANDING: &str = "UPDATE users SET version = version WHERE id = $1 AND email_key = $2 \
    AND credential_epoch = $3";
const FORGET: &str = "DELETE FROM deletions WHERE user_id = $1 RETURNING also_disabled";
const ENABLE: &str =
    "UPDATE users SET disabled_at = NULL, version = version + 1, updated_at = $2 WHERE id = $1";
const ALSO_DISABLE: &str =
    "UPDATE deletions SET also_disabled = TRUE WHERE user_id = $1 AND also_disabled = FALSE";
const DUE: &str = "SELECT user_id FROM deletions WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
const BETWEEN: &str = "SELECT user_id, due_at FROM deletions WHERE user_id >= $1 AND user_id <= $2";
/// The administrator among those who stay, else who came first.
const HEIR: &str = "SELECT o.user_id FROM memberships AS o JOIN users AS u ON u.id = o.user_id \
    WHERE o.account_id = $2 AND o.user_id <> $1 AND u.owner_id IS NULL \
    ORDER BY CASE o.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 ELSE 2 END, \
    CASE WHEN EXISTS (SELECT 1 FROM deletions AS d WHERE d.user_id = o.user_id) THEN 1 ELSE 0 END, \
    o.created_at, o.user_id LIMIT 1";
const INHERIT: &str =
    "UPDATE memberships SET role = 'owner' WHERE user_id = $1 AND account_id = $2 AND role <> 'owner'";
const INHERIT_USER: &str = "UPDATE users SET account_role = 'owner', version = version + 1, updated_at = $3 \
    WHERE id = $1 AND account_id = $2";
const INHERIT_SESSIONS: &str = "UPDATE sessions SET account_role = 'owner' \
    WHERE user_id = $1 AND account_id = $2 AND ended_at IS NULL";
const DELETE_ACCOUNT: &str =
    concat!("DELETE FROM accounts WHERE id = $2 AND NOT EXISTS (", others!("$2"), ")");
const BOT_SESSIONS: &str = "SELECT s.id FROM sessions AS s JOIN users AS u ON u.id = s.user_id \
    WHERE u.owner_id = $1 AND s.ended_at IS NULL";
const TOKENS: &str = "SELECT t.id FROM api_tokens AS t JOIN users AS u ON u.id = t.user_id \
    WHERE (u.id = $1 OR u.owner_id = $1) AND t.revoked_at IS NULL";
const DELETE_LINKS: &str = "DELETE FROM links WHERE subject = $1";
const DELETE_USER: &str = "DELETE FROM users WHERE id = $1";

row! {
    struct DueRow { user_id: Uuid, due_at: i64 }
}

/// Why a user cannot go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// There is no such user, they have changed since, or whoever asks may not any more.
    Moved,
    /// Nobody else administers.
    LastAdministrator,
    /// They own an account that others belong to, and nobody else who stays does.
    LastOwner,
}

/// A user's wish to go.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Who, and in which session they ask.
    pub asker: Asker,
    /// Their epoch when they proved who they are.
    pub epoch: i64,
    /// Now.
    pub now: Timestamp,
    /// When they are deleted.
    pub due_at: Timestamp,
}

/// Who deletes a user.
#[derive(Clone, Copy, Debug)]
pub enum Deleter {
    /// An administrator, in a session of theirs.
    Administrator(Asker),
    /// An operator, on the command line.
    Operator,
    /// The user asked for it a while ago, and the time has come. They may be the last owner by now: whoever comes next
    /// in the account is its owner then.
    Time,
}

/// What went with a user.
#[derive(Clone, Debug, Default)]
pub struct Gone {
    /// Live sessions and API tokens, for the list of revocations.
    pub ended: Vec<Uuid>,
    /// Accounts that nobody else belonged to.
    pub accounts: Vec<AccountId>,
    /// Who owns an account now that the user owned.
    pub heirs: Vec<(AccountId, UserId)>,
}

impl Store {
    /// When a user is to be deleted, if they asked for it.
    pub async fn deletion_due(&self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> =
            on!(&self.db, db => sqlx::query_scalar(DUE_AT).bind(user.uuid()).fetch_optional(db))?;
        Ok(due.map(Timestamp::from_micros))
    }

    /// The same for users whose ids lie in a range.
    pub async fn deletions_due(
        &self,
        (from, to): (UserId, UserId),
    ) -> Result<Vec<(UserId, Timestamp)>, StoreError> {
        let rows: Vec<DueRow> =
            on!(&self.db, db => sqlx::query_as(BETWEEN).bind(from.uuid()).bind(to.uuid()).fetch_all(db))?;
        let due = |row: DueRow| (UserId::from_uuid(row.user_id), Timestamp::from_micros(row.due_at));
        Ok(rows.into_iter().map(due).collect())
    }

    /// Users whose time has come, the longest due first.
    pub async fn due_deletions(&self, now: Timestamp, limit: i64) -> Result<Vec<UserId>, StoreError> {
        let due: Vec<Uuid> =
            on!(&self.db, db => sqlx::query_scalar(DUE).bind(now.micros()).bind(limit).fetch_all(db))?;
        Ok(due.into_iter().map(UserId::from_uuid).collect())
    }
}

/// Lets changes of who administers come one after the other, until the transaction ends.
pub async fn hold_administration(tx: &mut Tx) -> Result<(), StoreError> {
    Ok(control_postgres(tx, ADMIN_LOCK).await?)
}

/// Whether somebody else administers, while [`hold_administration`] holds.
pub async fn is_administered_without(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    let others: i64 = on_tx!(tx, db => sqlx::query_scalar(OTHER_ADMINS).bind(user.uuid()).fetch_one(db))?;
    Ok(others > 0)
}

/// Holds the accounts of a user. Whoever changes who belongs to one holds it, too.
async fn hold_accounts(tx: &mut Tx, user: UserId) -> Result<Vec<Uuid>, StoreError> {
    let accounts: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(ACCOUNTS).bind(user.uuid()).fetch_all(db))?;
    for account in &accounts {
        affected!(tx, sqlx::query(HOLD_ACCOUNT).bind(*account))?;
    }
    Ok(accounts)
}

/// Whether a user with `role` may go, while all is held.
async fn may_go(tx: &mut Tx, user: UserId, role: &str) -> Result<Result<(), Stays>, StoreError> {
    if role == portcullis_core::user::Role::ADMIN && !is_administered_without(tx, user).await? {
        return Ok(Err(Stays::LastAdministrator));
    }
    let alone: i64 = on_tx!(tx, db => sqlx::query_scalar(LEFT_ALONE).bind(user.uuid()).fetch_one(db))?;
    Ok(if alone > 0 { Err(Stays::LastOwner) } else { Ok(()) })
}

/// Lets a user go when [`Wish::due_at`] has come. From now on they cannot sign in; their sessions are ended by the caller.
pub async fn ask(tx: &mut Tx, wish: &Wish) -> Result<Result<(), Stays>, StoreError> {
    let user = wish.asker.user;
    hold_administration(tx).await?;
    hold_accounts(tx, user).await?;
    if hold_asker(tx, wish.asker, false, wish.now).await?.is_none() {
        return Ok(Err(Stays::Moved));
    }
    let Some(role) = hold_user(tx, user).await? else { return Ok(Err(Stays::Moved)) };
    if let Err(stays) = may_go(tx, user, &role).await? {
        return Ok(Err(stays));
    }
    let now = wish.now.micros();
    if affected!(tx, sqlx::query(DISABLE).bind(user.uuid()).bind(wish.epoch).bind(now))? == 0 {
        return Ok(Err(Stays::Moved));
    }
    affected!(tx, sqlx::query(HOLD_BOTS).bind(user.uuid()))?;
    affected!(tx, sqlx::query(NOTE).bind(user.uuid()).bind(now).bind(wish.due_at.micros()))?;
    Ok(Ok(()))
}

async fn hold_user(tx: &mut Tx, user: UserId) -> Result<Option<String>, StoreError> {
    Ok(on_tx!(tx, db => sqlx::query_scalar(HOLD_USER).bind(user.uuid()).fetch_optional(db))?)
}

/// Lets a user stay who wanted to go, if address and epoch are still these; `false`: they are not, or the user does not
/// want to go, or is gone.
pub async fn keep(
    tx: &mut Tx,
    user: UserId,
    (email, epoch): (&Email, i64),
    now: Timestamp,
) -> Result<bool, StoreError> {
    // First the user's row: whoever deletes them holds it, too.
    let held = affected!(tx, sqlx::query(HOLD_STANDING).bind(user.uuid()).bind(email.key()).bind(epoch))? > 0;
    Ok(held && withdraw(tx, user, now).await?)
}

/// Takes back a wish to go that somebody else made in the user's name.
pub async fn reclaim(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    if hold_user(tx, user).await?.is_some() {
        withdraw(tx, user, now).await?;
    }
    Ok(())
}

/// Takes back a user's wish to go, while their row is held; `false`: they had none.
pub(crate) async fn withdraw(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    let also_disabled: Option<bool> =
        on_tx!(tx, db => sqlx::query_scalar(FORGET).bind(user.uuid()).fetch_optional(db))?;
    if also_disabled == Some(false) {
        affected!(tx, sqlx::query(ENABLE).bind(user.uuid()).bind(now.micros()))?;
    }
    Ok(also_disabled.is_some())
}

/// Disables a user who wants to go, too; `false`: they do not, or were.
pub(crate) async fn disable_too(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(ALSO_DISABLE).bind(user.uuid()))? > 0)
}

/// Deletes a user with all that is their own: sessions, tokens, bots, memberships, and accounts that nobody else belongs
/// to. What the audit log tells of them is the caller's to have erased.
pub async fn delete(
    tx: &mut Tx,
    user: UserId,
    by: Deleter,
    now: Timestamp,
) -> Result<Result<Gone, Stays>, StoreError> {
    hold_administration(tx).await?;
    let accounts = hold_accounts(tx, user).await?;
    if let Deleter::Administrator(asker) = by
        && hold_asker(tx, asker, true, now).await?.is_none()
    {
        return Ok(Err(Stays::Moved));
    }
    let Some(role) = hold_user(tx, user).await? else { return Ok(Err(Stays::Moved)) };
    match by {
        Deleter::Administrator(_) | Deleter::Operator => {
            if let Err(stays) = may_go(tx, user, &role).await? {
                return Ok(Err(stays));
            }
        }
        Deleter::Time => {
            // Looked at while the user is held: whoever changes their mind now comes too late, or we do.
            let due: Option<i64> =
                on_tx!(tx, db => sqlx::query_scalar(DUE_AT).bind(user.uuid()).fetch_optional(db))?;
            if due.is_none_or(|due| due > now.micros()) {
                return Ok(Err(Stays::Moved));
            }
        }
    }
    affected!(tx, sqlx::query(HOLD_BOTS).bind(user.uuid()))?;
    let mut gone = Gone { ended: end(tx, user, now).await?, ..Gone::default() };
    for account in accounts {
        let deleted = affected!(tx, sqlx::query(DELETE_ACCOUNT).bind(user.uuid()).bind(account))? > 0;
        let id = AccountId::from_uuid(account);
        if deleted {
            gone.accounts.push(id);
        } else if let Some(heir) = inherit(tx, user, account, now).await? {
            gone.heirs.push((id, heir));
        }
    }
    affected!(tx, sqlx::query(DELETE_LINKS).bind(user.uuid()))?;
    affected!(tx, sqlx::query(DELETE_USER).bind(user.uuid()))?;
    Ok(Ok(gone))
}

/// Ends all sessions of the user, of their bots, and those in which they act; and all API tokens.
async fn end(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    let mut ended = sessions::end_all(tx, user, None, now, EndCause::UserDeleted).await?;
    for statement in [BOT_SESSIONS, TOKENS] {
        let more: Vec<Uuid> =
            on_tx!(tx, db => sqlx::query_scalar(statement).bind(user.uuid()).fetch_all(db))?;
        ended.extend(more);
    }
    Ok(ended)
}

/// Who owns an account when `user` has left it, if somebody must: nobody else does.
async fn inherit(
    tx: &mut Tx,
    user: UserId,
    account: Uuid,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let heir: Option<Uuid> = on_tx!(tx, db => sqlx::query_scalar(HEIR)
        .bind(user.uuid())
        .bind(account)
        .fetch_optional(db))?;
    let Some(heir) = heir else { return Ok(None) };
    // An owner comes first among those who may inherit: then nothing changes.
    if affected!(tx, sqlx::query(INHERIT).bind(heir).bind(account))? == 0 {
        return Ok(None);
    }
    affected!(tx, sqlx::query(INHERIT_USER).bind(heir).bind(account).bind(now.micros()))?;
    affected!(tx, sqlx::query(INHERIT_SESSIONS).bind(heir).bind(account))?;
    Ok(Some(UserId::from_uuid(heir)))
}
