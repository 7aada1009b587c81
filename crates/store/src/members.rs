//! Who belongs to an account. Whoever changes that holds the account's row first ([`crate::accounts::hold`]), then
//! the user's, then that of their sessions, as everybody takes them: so changes of one account come one after the
//! other, and the guard that keeps the last owner sees what is so.
//!
//! Bots follow their owner: they are nobody's member by themselves, and leave with them.

use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Email, Role};
use uuid::Uuid;

use crate::Store;
use crate::accounts::{self, NewAccount};
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::{StoreError, lost_a_race};

const JOIN: &str = "INSERT INTO memberships (user_id, account_id, role, created_at) \
    SELECT $1, id, $3, $4 FROM accounts WHERE id = $2 ON CONFLICT DO NOTHING";
const ROLE_OF: &str = "SELECT m.role FROM memberships AS m JOIN users AS u ON u.id = m.user_id \
    WHERE m.user_id = $1 AND m.account_id = $2 AND u.owner_id IS NULL";
const HOLD: &str = "UPDATE memberships SET role = role WHERE user_id = $1 AND account_id = $2 RETURNING role";
const MEMBERS: &str = "SELECT u.id, u.email, u.email_key, u.username, u.name, u.disabled_at, m.role, \
    m.created_at AS joined_at FROM memberships AS m JOIN users AS u ON u.id = m.user_id \
    WHERE m.account_id = $1 AND u.owner_id IS NULL AND u.id > $2 ORDER BY u.id LIMIT $3";
/// That an owner stays.
macro_rules! another_owner {
    () => {
        "(role <> 'owner' OR EXISTS (SELECT 1 FROM memberships AS o WHERE o.account_id = $2 \
         AND o.user_id <> $1 AND o.role = 'owner'))"
    };
}
const SET_ROLE: &str = concat!(
    "UPDATE memberships SET role = $3 WHERE user_id = $1 AND account_id = $2 AND ($3 = 'owner' OR ",
    another_owner!(),
    ")"
);
const LEAVE: &str =
    concat!("DELETE FROM memberships WHERE user_id = $1 AND account_id = $2 AND ", another_owner!());
const LEAVE_LAST: &str = "DELETE FROM memberships WHERE user_id = $1 AND account_id = $2 \
    AND NOT EXISTS (SELECT 1 FROM memberships AS o JOIN users AS u ON u.id = o.user_id \
    WHERE o.account_id = $2 AND o.user_id <> $1 AND u.owner_id IS NULL)";
const COPY_ROLE: &str = "UPDATE users SET account_role = $3, version = version + 1, updated_at = $4 \
    WHERE id = $1 AND account_id = $2";
const COPY_ROLE_TO_SESSIONS: &str = "UPDATE sessions SET account_role = $3 \
    WHERE user_id = $1 AND account_id = $2 AND ended_at IS NULL";
/// Holds the user, and tells the account they start in.
const HOLD_USER: &str = "UPDATE users SET version = version WHERE id = $1 RETURNING account_id, account_role";
const OLDEST: &str = "SELECT account_id, role AS account_role FROM memberships \
    WHERE user_id = $1 ORDER BY created_at, account_id LIMIT 1";
const SET_HOME: &str = "UPDATE users SET account_id = $2, account_role = $3, version = version + 1, updated_at = $4 \
    WHERE id = $1";
const MOVE_SESSIONS: &str = "UPDATE sessions SET account_id = $3, account_role = $4 \
    WHERE user_id = $1 AND account_id = $2 AND ended_at IS NULL";
const BOTS_IN: &str = "SELECT u.id FROM users AS u JOIN memberships AS m ON m.user_id = u.id \
    WHERE u.owner_id = $1 AND m.account_id = $2 ORDER BY u.id";
const DROP_BOT: &str = "DELETE FROM memberships WHERE user_id = $1 AND account_id = $2";
const SWITCH: &str = "UPDATE sessions SET account_id = $3, account_role = $4 \
    WHERE id = $1 AND user_id = $2 AND ended_at IS NULL RETURNING generation";

row! {
    struct MemberRow {
        id: Uuid, email: String, email_key: String, username: Option<String>, name: Option<String>,
        disabled_at: Option<i64>, role: String, joined_at: i64,
    }
}

row! {
    struct HomeRow { account_id: Option<Uuid>, account_role: Option<String> }
}

/// A member of an account.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Address.
    pub email: Email,
    /// User name.
    pub username: Option<String>,
    /// Full name.
    pub name: Option<String>,
    /// They cannot sign in.
    pub disabled: bool,
    /// Role in the account.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        Self {
            user: UserId::from_uuid(row.id),
            email: Email::from_stored(row.email, row.email_key),
            username: row.username,
            name: row.name,
            disabled: row.disabled_at.is_some(),
            role: Role::from_stored(row.role),
            joined_at: Timestamp::from_micros(row.joined_at),
        }
    }
}

/// An account and a user: who belongs to what.
pub type Pair = (AccountId, UserId);

impl Store {
    /// Members of an account, after one. No bots.
    pub async fn members(
        &self,
        account: AccountId,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Member>, StoreError> {
        let after = after.map_or(Uuid::nil(), UserId::uuid);
        let rows: Vec<MemberRow> = on!(&self.db, db => sqlx::query_as(MEMBERS)
            .bind(account.uuid())
            .bind(after)
            .bind(limit)
            .fetch_all(db))?;
        Ok(rows.into_iter().map(Member::from).collect())
    }

    /// A member's role, as it is now; `None`: they are none.
    pub async fn member_role(&self, (account, user): Pair) -> Result<Option<Role>, StoreError> {
        let role: Option<String> = on!(&self.db, db => sqlx::query_scalar(ROLE_OF)
            .bind(user.uuid())
            .bind(account.uuid())
            .fetch_optional(db))?;
        Ok(role.map(Role::from_stored))
    }
}

/// A member's role, while the account is held.
pub async fn role_of(tx: &mut Tx, (account, user): Pair) -> Result<Option<Role>, StoreError> {
    let role: Option<String> = on_tx!(tx, db => sqlx::query_scalar(ROLE_OF)
        .bind(user.uuid())
        .bind(account.uuid())
        .fetch_optional(db))?;
    Ok(role.map(Role::from_stored))
}

/// Makes somebody a member; `false`: they are one, or there is no such account. One that goes away at the same moment on
/// PostgreSQL makes the work run again, and not find it.
pub async fn join(
    tx: &mut Tx,
    (account, user): Pair,
    role: &Role,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let joined = affected!(
        tx,
        sqlx::query(JOIN).bind(user.uuid()).bind(account.uuid()).bind(role.as_str()).bind(now.micros())
    )
    .map_err(lost_a_race)?;
    Ok(joined > 0)
}

/// Gives a member another role, in their tokens too; `false`: they are the last owner, or no member.
pub async fn set_role(
    tx: &mut Tx,
    (account, user): Pair,
    role: &Role,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (account, user) = (account.uuid(), user.uuid());
    if affected!(tx, sqlx::query(SET_ROLE).bind(user).bind(account).bind(role.as_str()))? == 0 {
        return Ok(false);
    }
    affected!(tx, sqlx::query(COPY_ROLE).bind(user).bind(account).bind(role.as_str()).bind(now.micros()))?;
    affected!(tx, sqlx::query(COPY_ROLE_TO_SESSIONS).bind(user).bind(account).bind(role.as_str()))?;
    Ok(true)
}

/// How somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// An owner stays behind.
    Behind,
    /// Nobody does: the account goes with them.
    Empty,
}

/// Takes somebody and their bots out of an account. Who started there starts in the oldest account left to them, or in
/// `spare`, which is made for that; their sessions there go over to it. Whose tokens say what is no more so, comes
/// back; `None`: they are the last owner ([`Leaving::Empty`]: somebody else belongs to it), or no member.
pub async fn leave(
    tx: &mut Tx,
    (account, user): Pair,
    how: Leaving,
    spare: &NewAccount,
    now: Timestamp,
) -> Result<Option<Vec<UserId>>, StoreError> {
    let statement = if how == Leaving::Behind { LEAVE } else { LEAVE_LAST };
    if affected!(tx, sqlx::query(statement).bind(user.uuid()).bind(account.uuid()))? == 0 {
        return Ok(None);
    }
    let home = rehome(tx, (account, user), spare, now).await?;
    let mut changed = vec![user];
    let bots: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(BOTS_IN)
        .bind(user.uuid())
        .bind(account.uuid())
        .fetch_all(db))?;
    for bot in bots.into_iter().map(UserId::from_uuid) {
        affected!(tx, sqlx::query(DROP_BOT).bind(bot.uuid()).bind(account.uuid()))?;
        join(tx, (home, bot), &Role::from_stored(Role::MEMBER), now).await?;
        rehome(tx, (account, bot), spare, now).await?;
        changed.push(bot);
    }
    Ok(Some(changed))
}

/// Where somebody starts who has left an account, and whose sessions there go over to it.
async fn rehome(
    tx: &mut Tx,
    (left, user): Pair,
    spare: &NewAccount,
    now: Timestamp,
) -> Result<AccountId, StoreError> {
    let held: HomeRow = on_tx!(tx, db => sqlx::query_as(HOLD_USER).bind(user.uuid()).fetch_one(db))?;
    let (home, role) = match (held.account_id, held.account_role) {
        (Some(home), Some(role)) if home != left.uuid() => (home, role),
        _ => {
            let oldest: Option<HomeRow> =
                on_tx!(tx, db => sqlx::query_as(OLDEST).bind(user.uuid()).fetch_optional(db))?;
            let oldest = oldest.and_then(|row| row.account_id.zip(row.account_role));
            let (home, role) = if let Some(home) = oldest {
                home
            } else {
                accounts::insert(tx, spare, user, now).await?;
                (spare.id.uuid(), Role::OWNER.to_owned())
            };
            set_home(tx, user, (home, &role), now).await?;
            (home, role)
        }
    };
    affected!(tx, sqlx::query(MOVE_SESSIONS).bind(user.uuid()).bind(left.uuid()).bind(home).bind(&role))?;
    Ok(AccountId::from_uuid(home))
}

async fn set_home(
    tx: &mut Tx,
    user: UserId,
    (home, role): (Uuid, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(SET_HOME).bind(user.uuid()).bind(home).bind(role).bind(now.micros()))?;
    Ok(())
}

/// Which account a session goes over to.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// The session.
    pub session: Uuid,
    /// Whose it is.
    pub user: UserId,
    /// The account.
    pub account: AccountId,
    /// New sessions and API tokens of the user start there, too.
    pub home: bool,
    /// Now.
    pub now: Timestamp,
}

/// Puts another account into the next tokens of a session: its generation so far; `None`: the user is no member, or
/// the session has ended. Whoever removes the member meanwhile waits, and finds the session there.
pub async fn switch(tx: &mut Tx, switch: &Switch) -> Result<Option<u32>, StoreError> {
    let user = switch.user.uuid();
    let role: Option<String> = on_tx!(tx, db => sqlx::query_scalar(HOLD)
        .bind(user)
        .bind(switch.account.uuid())
        .fetch_optional(db))?;
    let Some(role) = role else { return Ok(None) };
    if switch.home {
        set_home(tx, switch.user, (switch.account.uuid(), &role), switch.now).await?;
    }
    let generation: Option<i64> = on_tx!(tx, db => sqlx::query_scalar(SWITCH)
        .bind(switch.session)
        .bind(user)
        .bind(switch.account.uuid())
        .bind(&role)
        .fetch_optional(db))?;
    Ok(generation.and_then(|generation| u32::try_from(generation).ok()))
}
