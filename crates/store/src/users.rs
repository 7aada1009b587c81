//! Users.

use portcullis_core::factor::Factors;
use portcullis_core::ids::{AccountId, SessionId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Email, Login, Profile, Role, User, Username};
use uuid::Uuid;

use crate::accounts::{self, NewAccount};
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::{StoreError, lost_a_race};
use crate::session_rows::account;
use crate::{Store, deletions, members};

macro_rules! columns {
    () => {
        "id, email, email_key, email_verified_at, username, username_key, name, phone, job_title, timezone, \
         locale, role, account_id, account_role, must_change_password, credential_epoch, version, \
         disabled_at, created_at, last_login_at, owner_id, factors"
    };
}
pub(crate) use columns as user_columns;
pub(crate) use columns;

pub(crate) const BY_OWNER: &str =
    concat!("SELECT ", columns!(), " FROM users WHERE owner_id = $1 ORDER BY id");
pub(crate) const ONE_OWNED: &str =
    concat!("SELECT ", columns!(), " FROM users WHERE id = $1 AND owner_id = $2");
pub(crate) const BY_LOGIN: &str = concat!(
    "SELECT ",
    columns!(),
    ", password_hash FROM users WHERE email_key = $1 OR username_key = $1 \
     ORDER BY CASE WHEN email_key = $1 THEN 0 ELSE 1 END LIMIT 1"
);
const CREDENTIALS: &str = concat!("SELECT ", columns!(), ", password_hash FROM users WHERE id = $1");
const LIST: &str = concat!("SELECT ", columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2");
const INSERT: &str = "INSERT INTO users (id, email, email_key, email_verified_at, username, username_key, name, \
    role, account_id, account_role, password_hash, must_change_password, credential_epoch, version, created_at, \
    updated_at, locale) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $15, $10, $11, $13, $14, $12, $12, $16) \
    ON CONFLICT DO NOTHING";
const EMAIL_TAKEN: &str = "SELECT COUNT(*) FROM users WHERE email_key = $1";
const UPDATE_PROFILE: &str = "UPDATE users SET name = $3, phone = $4, job_title = $5, timezone = $6, \
    locale = $7, username = $8, username_key = $9, version = version + 1, updated_at = $10 \
    WHERE id = $1 AND version = $2";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = $3, must_change_password = $4, \
    credential_epoch = credential_epoch + 1, version = version + 1, updated_at = $5 \
    WHERE id = $1 AND credential_epoch = $2";
const REHASH: &str = "UPDATE users SET password_hash = $3 WHERE id = $1 AND credential_epoch = $2";
/// Never the last who administers. Of two who are disabled at once one stays while [`deletions::hold_administration`]
/// lets one come after the other.
const DISABLE: &str = "UPDATE users SET disabled_at = $2, credential_epoch = credential_epoch + 1, \
    version = version + 1, updated_at = $2 WHERE id = $1 AND disabled_at IS NULL AND (role <> 'admin' \
    OR EXISTS (SELECT 1 FROM users AS o WHERE o.role = 'admin' AND o.id <> $1 AND o.disabled_at IS NULL))";
const MAY_SIGN_IN: &str = "SELECT COUNT(*) FROM users WHERE id = $1 AND disabled_at IS NULL";
const FORGET_PASSWORD: &str = "UPDATE users SET password_hash = NULL WHERE id = $1 AND email_key = $2 \
    AND disabled_at IS NULL";
const MOVE_EPOCH: &str = "UPDATE users SET credential_epoch = credential_epoch + 1, version = version + 1, \
    updated_at = $2 WHERE id = $1 AND disabled_at IS NULL";
const MOVE_BOTS: &str = "UPDATE users SET credential_epoch = credential_epoch + 1 WHERE owner_id = $1";
const ENABLE: &str = "UPDATE users SET disabled_at = NULL, version = version + 1, updated_at = $2 \
    WHERE id = $1 AND disabled_at IS NOT NULL";
const SET_ROLE: &str = "UPDATE users SET role = $2, version = version + 1, updated_at = $3 \
    WHERE id = $1 AND role <> $2";
const HOLD: &str = "UPDATE users SET version = version WHERE id = $1 AND credential_epoch = $2 \
    AND disabled_at IS NULL";
const COUNT: &str = "SELECT COUNT(*) FROM users";

row! {
    pub(crate) struct UserRow {
        pub(crate) id: Uuid, email: String, email_key: String, email_verified_at: Option<i64>, username: Option<String>,
        username_key: Option<String>, name: Option<String>, phone: Option<String>, job_title: Option<String>,
        timezone: Option<String>, locale: Option<String>, role: String, account_id: Option<Uuid>,
        account_role: Option<String>, must_change_password: bool, credential_epoch: i64, version: i64,
        disabled_at: Option<i64>, created_at: i64, last_login_at: Option<i64>, owner_id: Option<Uuid>,
        factors: i64,
    }
}

row! {
    struct HashRow { password_hash: Option<String> }
}

/// A user with what proves them.
#[derive(Clone)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The password's PHC string, if they have one.
    pub password_hash: Option<String>,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Credentials
where
    UserRow: sqlx::FromRow<'r, R>,
    HashRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let user = UserRow::from_row(row)?.into();
        Ok(Self { user, password_hash: HashRow::from_row(row)?.password_hash })
    }
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId::from_uuid(row.id),
            email: Email::from_stored(row.email, row.email_key),
            email_verified_at: row.email_verified_at.map(Timestamp::from_micros),
            username: row
                .username
                .zip(row.username_key)
                .map(|(shown, key)| Username::from_stored(shown, key)),
            profile: Profile {
                name: row.name,
                phone: row.phone,
                job_title: row.job_title,
                timezone: row.timezone,
                locale: row.locale,
            },
            role: Role::from_stored(row.role),
            account: account(row.account_id, row.account_role),
            must_change_password: row.must_change_password,
            credential_epoch: row.credential_epoch,
            version: row.version,
            disabled_at: row.disabled_at.map(Timestamp::from_micros),
            created_at: Timestamp::from_micros(row.created_at),
            last_login_at: row.last_login_at.map(Timestamp::from_micros),
            owner: row.owner_id.map(UserId::from_uuid),
            factors: Factors::from_stored(row.factors),
        }
    }
}

/// Credential epoch of a new user.
pub const FIRST_EPOCH: i64 = 1;
/// Version of a new user's row.
pub const FIRST_VERSION: i64 = 1;

/// The account that a new user starts in.
#[derive(Clone, Debug)]
pub enum Home {
    /// One of their own.
    Own(NewAccount),
    /// One that is there, with a role in it.
    Joined(AccountId, Role),
}

impl Home {
    /// The account, and the role in it.
    pub fn membership(&self) -> (AccountId, Role) {
        match self {
            Self::Own(account) => (account.id, Role::from_stored(Role::OWNER)),
            Self::Joined(account, role) => (*account, role.clone()),
        }
    }
}

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    /// Id.
    pub id: UserId,
    /// Address.
    pub email: Email,
    /// When the address was proved, if it was.
    pub email_verified_at: Option<Timestamp>,
    /// User name.
    pub username: Option<Username>,
    /// Full name.
    pub name: Option<String>,
    /// Language (BCP 47).
    pub locale: Option<String>,
    /// Role.
    pub role: Role,
    /// PHC string of the password.
    pub password_hash: Option<String>,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// The account they start in.
    pub home: Home,
    /// Now.
    pub now: Timestamp,
}

/// What became of a [`NewUser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// Made.
    Done,
    /// Somebody has the address.
    EmailTaken,
    /// Somebody has the user name.
    UsernameTaken,
}

impl Store {
    /// A user by id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.user_reads.read(id.uuid()).await
    }

    /// The user of a session, be it live or not; `None`: there is no such session.
    pub async fn user_of_session(&self, session: SessionId) -> Result<Option<User>, StoreError> {
        self.session_users.read(session.uuid()).await
    }

    /// A user with credentials, by id.
    pub async fn credentials(&self, id: UserId) -> Result<Option<Credentials>, StoreError> {
        on!(&self.db, db => sqlx::query_as(CREDENTIALS).bind(id.uuid()).fetch_optional(db))
    }

    /// A user with credentials, by what they sign in with: an address first, else a user name (imported ones
    /// may hold an `@`). One statement for all, so that nobody can tell by the time who there is.
    pub async fn find_login(&self, login: &Login) -> Result<Option<Credentials>, StoreError> {
        on!(&self.db, db => sqlx::query_as(BY_LOGIN).bind(login.key()).fetch_optional(db))
    }

    /// Users by id, after one.
    pub async fn users(&self, after: Option<UserId>, limit: i64) -> Result<Vec<User>, StoreError> {
        let after = after.map_or(Uuid::nil(), UserId::uuid);
        let rows: Vec<UserRow> =
            on!(&self.db, db => sqlx::query_as(LIST).bind(after).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().map(User::from).collect())
    }

    /// How many users there are.
    pub async fn count_users(&self) -> Result<i64, StoreError> {
        on!(&self.db, db => sqlx::query_scalar(COUNT).fetch_one(db))
    }
}

/// Makes a user, and the account or the membership they start in. Of two with one address one wins here.
/// [`StoreError::Refused`]: the account that they were to join is gone.
pub async fn insert(tx: &mut Tx, new: &NewUser) -> Result<Insert, StoreError> {
    let (account, role) = new.home.membership();
    let made = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(new.id.uuid())
            .bind(new.email.as_str())
            .bind(new.email.key())
            .bind(new.email_verified_at.map(Timestamp::micros))
            .bind(new.username.as_ref().map(Username::as_str))
            .bind(new.username.as_ref().map(Username::key))
            .bind(&new.name)
            .bind(new.role.as_str())
            .bind(account.uuid())
            .bind(&new.password_hash)
            .bind(new.must_change_password)
            .bind(new.now.micros())
            .bind(FIRST_EPOCH)
            .bind(FIRST_VERSION)
            .bind(role.as_str())
            .bind(&new.locale)
    )?;
    if made == 0 {
        let taken: i64 =
            on_tx!(tx, db => sqlx::query_scalar(EMAIL_TAKEN).bind(new.email.key()).fetch_one(db))?;
        return Ok(if taken > 0 { Insert::EmailTaken } else { Insert::UsernameTaken });
    }
    match &new.home {
        Home::Own(home) => accounts::insert(tx, home, new.id, new.now).await?,
        Home::Joined(..) => {
            // It has gone away, and whatever let them in with it. Held, so that nobody deletes it meanwhile: who deletes
            // looks for members first.
            if !accounts::hold(tx, account).await?
                || !members::join(tx, (account, new.id), &role, new.now).await?
            {
                return Err(StoreError::Refused);
            }
        }
    }
    Ok(Insert::Done)
}

/// What became of a change of profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileUpdate {
    /// Done.
    Done,
    /// The row has moved on since it was read: read again.
    Moved,
    /// Somebody has the user name.
    UsernameTaken,
}

const USERNAME_TAKEN: &str = "SELECT COUNT(*) FROM users WHERE username_key = $1 AND id <> $2";

/// Writes profile and user name of `user`, if its row is still at `user.version`. Of two who take one user name
/// at the same moment on PostgreSQL, the later runs into the index, and then runs again and sees the first.
pub async fn update_profile(tx: &mut Tx, user: &User, now: Timestamp) -> Result<ProfileUpdate, StoreError> {
    let key = user.username.as_ref().map(Username::key);
    let taken: i64 = on_tx!(tx, db => sqlx::query_scalar(USERNAME_TAKEN)
        .bind(key)
        .bind(user.id.uuid())
        .fetch_one(db))?;
    if taken > 0 {
        return Ok(ProfileUpdate::UsernameTaken);
    }
    let Profile { name, phone, job_title, timezone, locale } = &user.profile;
    let done = affected!(
        tx,
        sqlx::query(UPDATE_PROFILE)
            .bind(user.id.uuid())
            .bind(user.version)
            .bind(name)
            .bind(phone)
            .bind(job_title)
            .bind(timezone)
            .bind(locale)
            .bind(user.username.as_ref().map(Username::as_str))
            .bind(key)
            .bind(now.micros())
    )
    .map_err(lost_a_race)?;
    Ok(if done > 0 { ProfileUpdate::Done } else { ProfileUpdate::Moved })
}

/// A new password.
#[derive(Clone)]
pub struct NewPassword {
    /// Whose.
    pub user: UserId,
    /// The epoch read before the old one was checked.
    pub epoch: i64,
    /// PHC string.
    pub hash: String,
    /// It must be changed before anything else.
    pub must_change: bool,
    /// Now.
    pub now: Timestamp,
}

/// Sets a password and moves the epoch; `false`: the epoch has moved already.
pub async fn set_password(tx: &mut Tx, new: &NewPassword) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(SET_PASSWORD)
            .bind(new.user.uuid())
            .bind(new.epoch)
            .bind(&new.hash)
            .bind(new.must_change)
            .bind(new.now.micros())
    )?;
    Ok(done > 0)
}

/// Stores a hash of the same password under newer parameters. Proves nothing new, so the epoch stays.
pub async fn rehash(tx: &mut Tx, user: UserId, epoch: i64, hash: &str) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(REHASH).bind(user.uuid()).bind(epoch).bind(hash))?;
    Ok(())
}

/// Holds a user's row until the commit, if what proves them is as it was at `epoch`; `false`: it is not.
pub async fn hold(tx: &mut Tx, user: UserId, epoch: i64) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(HOLD).bind(user.uuid()).bind(epoch))? > 0)
}

/// What became of [`disable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// Nobody signs in as them any more.
    Done,
    /// They were disabled already, or do not exist.
    Already,
    /// Nobody else administers.
    LastAdministrator,
}

/// Disables a user and moves the epoch, theirs and that of their bots. One who wants to be deleted stays disabled if they
/// change their mind. Where it could be an administrator, the caller holds [`deletions::hold_administration`].
pub async fn disable(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Disabled, StoreError> {
    if affected!(tx, sqlx::query(DISABLE).bind(user.uuid()).bind(now.micros()))? > 0 {
        affected!(tx, sqlx::query(MOVE_BOTS).bind(user.uuid()))?;
        return Ok(Disabled::Done);
    }
    if deletions::disable_too(tx, user).await? {
        return Ok(Disabled::Done);
    }
    let enabled: i64 = on_tx!(tx, db => sqlx::query_scalar(MAY_SIGN_IN).bind(user.uuid()).fetch_one(db))?;
    Ok(if enabled > 0 { Disabled::LastAdministrator } else { Disabled::Already })
}

/// Moves the epoch of a user who may sign in: devices are known no more, and links that go by it are not good.
pub async fn move_epoch(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(MOVE_EPOCH).bind(user.uuid()).bind(now.micros()))?;
    Ok(())
}

/// Takes a user's password away: they set another by a link that is mailed to `email`. `false`: that is their address no
/// more, or they are disabled. The epoch moves in the same transaction.
pub async fn forget_password(tx: &mut Tx, user: UserId, email: &Email) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(FORGET_PASSWORD).bind(user.uuid()).bind(email.key()))? > 0)
}

/// Enables a user again, who is not to be deleted any more, if they were; `false`: was not disabled.
pub async fn enable(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    let done = affected!(tx, sqlx::query(ENABLE).bind(user.uuid()).bind(now.micros()))? > 0;
    if done {
        deletions::withdraw(tx, user, now).await?;
    }
    Ok(done)
}

/// Changes a user's role; `false`: they had it already.
pub async fn set_role(tx: &mut Tx, user: UserId, role: &Role, now: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(SET_ROLE).bind(user.uuid()).bind(role.as_str()).bind(now.micros()))? > 0)
}
