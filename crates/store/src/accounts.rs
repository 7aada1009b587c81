//! Accounts: made with an owner, named, deleted. Who belongs to one stands in [`crate::members`].

use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::subscription::Subscription;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Role;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;
use crate::subscriptions::{self, SubscriptionRow};

macro_rules! columns {
    () => {
        "a.id, a.name, a.display_code, a.created_at, s.plan, s.phase, s.started_at, s.ends_at"
    };
}

const INSERT: &str = "INSERT INTO accounts (id, name, display_code, created_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const INSERT_OWNER: &str =
    "INSERT INTO memberships (user_id, account_id, role, created_at) VALUES ($1, $2, 'owner', $3)";
const ONE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM accounts AS a LEFT JOIN subscriptions AS s ON s.account_id = a.id WHERE a.id = $1"
);
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM accounts AS a LEFT JOIN subscriptions AS s ON s.account_id = a.id \
     WHERE a.id < $1 ORDER BY a.id DESC LIMIT $2"
);
const OF_USER: &str = concat!(
    "SELECT ",
    columns!(),
    ", m.role, m.created_at AS joined_at FROM memberships AS m JOIN accounts AS a ON a.id = m.account_id \
     LEFT JOIN subscriptions AS s ON s.account_id = a.id WHERE m.user_id = $1 AND a.id > $2 ORDER BY a.id LIMIT $3"
);
const ONE_OF_USER: &str = concat!(
    "SELECT ",
    columns!(),
    ", m.role, m.created_at AS joined_at FROM memberships AS m JOIN accounts AS a ON a.id = m.account_id \
     LEFT JOIN subscriptions AS s ON s.account_id = a.id WHERE m.user_id = $1 AND a.id = $2"
);
const COUNT_OWNED: &str = "SELECT COUNT(*) FROM memberships WHERE user_id = $1 AND role = 'owner'";
/// Changes nothing: whoever changes members of an account holds its row until the commit, and so comes one after
/// the other.
const HOLD: &str = "UPDATE accounts SET name = name WHERE id = $1";
const RENAME: &str = "UPDATE accounts SET name = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM accounts WHERE id = $1 AND (SELECT COUNT(*) FROM memberships AS m \
    JOIN users AS u ON u.id = m.user_id WHERE m.account_id = $1 AND u.owner_id IS NULL) = 0";

row! {
    struct AccountRow { id: Uuid, name: String, display_code: String, created_at: i64 }
}

row! {
    struct PartRow { role: String, joined_at: i64 }
}

/// Most accounts that one user owns.
pub const MAX_OWNED: i64 = 50;

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Id.
    pub id: AccountId,
    /// Name.
    pub name: String,
    /// Eight characters to tell it by on the phone.
    pub display_code: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it has subscribed to.
    pub subscription: Option<Subscription>,
}

/// An account, as one of its members has it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The account.
    pub account: Account,
    /// The role in it.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

struct Found {
    account: AccountRow,
    subscription: SubscriptionRow,
}

struct FoundPart {
    found: Found,
    part: PartRow,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Found
where
    AccountRow: sqlx::FromRow<'r, R>,
    SubscriptionRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { account: AccountRow::from_row(row)?, subscription: SubscriptionRow::from_row(row)? })
    }
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for FoundPart
where
    Found: sqlx::FromRow<'r, R>,
    PartRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { found: Found::from_row(row)?, part: PartRow::from_row(row)? })
    }
}

impl TryFrom<Found> for Account {
    type Error = StoreError;

    fn try_from(found: Found) -> Result<Self, StoreError> {
        let Found { account, subscription } = found;
        Ok(Self {
            id: AccountId::from_uuid(account.id),
            name: account.name,
            display_code: account.display_code,
            created_at: Timestamp::from_micros(account.created_at),
            subscription: subscription.into_subscription(account.id)?,
        })
    }
}

impl TryFrom<FoundPart> for Membership {
    type Error = StoreError;

    fn try_from(row: FoundPart) -> Result<Self, StoreError> {
        Ok(Self {
            account: row.found.try_into()?,
            role: Role::from_stored(row.part.role),
            joined_at: Timestamp::from_micros(row.part.joined_at),
        })
    }
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Id.
    pub id: AccountId,
    /// Name.
    pub name: String,
    /// Display codes to try, in turn, until one is free.
    pub display_codes: Vec<String>,
    /// What it subscribes to.
    pub subscription: Option<Subscription>,
}

impl Store {
    /// One account.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let found: Option<Found> =
            on!(&self.db, db => sqlx::query_as(ONE).bind(id.uuid()).fetch_optional(db))?;
        found.map(Account::try_from).transpose()
    }

    /// Accounts, newest first, made before one.
    pub async fn accounts(&self, before: Option<AccountId>, limit: i64) -> Result<Vec<Account>, StoreError> {
        let before = before.map_or(Uuid::max(), AccountId::uuid);
        let found: Vec<Found> =
            on!(&self.db, db => sqlx::query_as(LIST).bind(before).bind(limit).fetch_all(db))?;
        found.into_iter().map(Account::try_from).collect()
    }

    /// One account that a user belongs to.
    pub async fn account_of(&self, id: AccountId, user: UserId) -> Result<Option<Membership>, StoreError> {
        let found: Option<FoundPart> = on!(&self.db, db => sqlx::query_as(ONE_OF_USER)
            .bind(user.uuid())
            .bind(id.uuid())
            .fetch_optional(db))?;
        found.map(Membership::try_from).transpose()
    }

    /// The accounts that a user belongs to, oldest first, after one.
    pub async fn accounts_of(
        &self,
        user: UserId,
        after: Option<AccountId>,
        limit: i64,
    ) -> Result<Vec<Membership>, StoreError> {
        let after = after.map_or(Uuid::nil(), AccountId::uuid);
        let found: Vec<FoundPart> = on!(&self.db, db => sqlx::query_as(OF_USER)
            .bind(user.uuid())
            .bind(after)
            .bind(limit)
            .fetch_all(db))?;
        found.into_iter().map(Membership::try_from).collect()
    }
}

/// Makes an account with its owner. A display code that somebody else takes at the same moment is tried no further.
pub async fn insert(tx: &mut Tx, new: &NewAccount, owner: UserId, now: Timestamp) -> Result<(), StoreError> {
    for code in &new.display_codes {
        let made = affected!(
            tx,
            sqlx::query(INSERT).bind(new.id.uuid()).bind(&new.name).bind(code).bind(now.micros())
        )?;
        if made == 0 {
            continue;
        }
        affected!(tx, sqlx::query(INSERT_OWNER).bind(owner.uuid()).bind(new.id.uuid()).bind(now.micros()))?;
        if let Some(subscription) = &new.subscription {
            subscriptions::put(tx, new.id, subscription).await?;
        }
        return Ok(());
    }
    Err(StoreError::Statement("no display code was free".into()))
}

/// How many accounts a user owns, whose row is held.
pub async fn count_owned(tx: &mut Tx, user: UserId) -> Result<i64, StoreError> {
    Ok(on_tx!(tx, db => sqlx::query_scalar(COUNT_OWNED).bind(user.uuid()).fetch_one(db))?)
}

/// Takes the row of an account until the commit; `false`: there is none.
pub async fn hold(tx: &mut Tx, id: AccountId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(HOLD).bind(id.uuid()))? > 0)
}

/// Names an account anew; `false`: there is none.
pub async fn rename(tx: &mut Tx, id: AccountId, name: &str) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(RENAME).bind(id.uuid()).bind(name))? > 0)
}

/// Deletes an account that nobody belongs to any more, with its invites and its subscription; `false`: somebody does,
/// or there is none.
pub async fn delete(tx: &mut Tx, id: AccountId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(DELETE).bind(id.uuid()))? > 0)
}
