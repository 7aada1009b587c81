//! Rows of `sessions`, and how they become what `core` knows.

use portcullis_core::factor::Factors;
use portcullis_core::ids::{AccountId, SessionId, UserId};
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::{Acting, Chain, Grant, SessionState};
use portcullis_core::status_list::StatusIndex;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Role;
use uuid::Uuid;

use crate::db::row;
use crate::error::StoreError;

/// What a [`Grant`] is made of.
macro_rules! grant_columns {
    () => {
        "id, user_id, generation, role, account_id, account_role, must_change_password, methods, \
         authenticated_at, delivery, ends_at, acting, actor_id, status_index, factors"
    };
}
pub(crate) use grant_columns;

row! {
    /// What a token says of its session.
    pub(crate) struct GrantRow {
        pub(crate) id: Uuid,
        user_id: Uuid,
        generation: i64,
        role: String,
        account_id: Option<Uuid>,
        account_role: Option<String>,
        must_change_password: bool,
        methods: String,
        authenticated_at: i64,
        delivery: String,
        ends_at: i64,
        acting: Option<String>,
        actor_id: Option<Uuid>,
        status_index: Option<i64>,
        factors: i64,
    }
}

row! {
    /// What decides on a refresh token.
    pub(crate) struct ChainRow {
        secret_hash: Vec<u8>,
        generation: i64,
        key_id: i64,
        rotated_at: i64,
        idle_ends_at: i64,
        ends_at: i64,
        window_at: i64,
        window_count: i64,
        ended_at: Option<i64>,
        end_cause: Option<String>,
    }
}

row! {
    /// Where the last rotation came from.
    struct OriginRow { device: String, address: String }
}

/// All three of one session.
pub(crate) struct JudgedRow {
    grant: GrantRow,
    chain: ChainRow,
    origin: OriginRow,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for JudgedRow
where
    GrantRow: sqlx::FromRow<'r, R>,
    ChainRow: sqlx::FromRow<'r, R>,
    OriginRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            grant: GrantRow::from_row(row)?,
            chain: ChainRow::from_row(row)?,
            origin: OriginRow::from_row(row)?,
        })
    }
}

/// A new session, with how many of its user were there (at most as many as were asked for).
pub(crate) struct CreatedRow {
    pub(crate) grant: GrantRow,
    pub(crate) others: i64,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for CreatedRow
where
    GrantRow: sqlx::FromRow<'r, R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'n> &'n str: sqlx::ColumnIndex<R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { grant: GrantRow::from_row(row)?, others: row.try_get("others")? })
    }
}

/// A session at one moment, as a refresh token is judged by it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What decides.
    pub chain: Chain,
    /// What its tokens say.
    pub grant: Grant,
    /// What the device of the last rotation called itself.
    pub device: String,
    /// Address of the last rotation.
    pub address: String,
}

impl TryFrom<JudgedRow> for Judged {
    type Error = StoreError;

    fn try_from(row: JudgedRow) -> Result<Self, StoreError> {
        let OriginRow { device, address } = row.origin;
        Ok(Self { chain: row.chain.into_chain(row.grant.id)?, grant: row.grant.try_into()?, device, address })
    }
}

/// A column of `sessions` that holds what we never write.
fn corrupt(column: &'static str, id: Uuid) -> StoreError {
    StoreError::Corrupt { table: "sessions", column, id: id.to_string() }
}

fn acting(mode: Option<String>, actor: Option<Uuid>, id: Uuid) -> Result<Option<Acting>, StoreError> {
    match (mode, actor) {
        (None, None) => Ok(None),
        (Some(mode), Some(actor)) => {
            let mode = mode.parse().map_err(|_| corrupt("acting", id))?;
            Ok(Some(Acting { actor: UserId::from_uuid(actor), mode }))
        }
        _ => Err(corrupt("acting", id)),
    }
}

fn status_index(index: i64, id: Uuid) -> Result<StatusIndex, StoreError> {
    StatusIndex::from_stored(index).ok_or_else(|| corrupt("status_index", id))
}

pub(crate) fn account(id: Option<Uuid>, role: Option<String>) -> Option<(AccountId, Role)> {
    Some((AccountId::from_uuid(id?), Role::from_stored(role?)))
}

impl TryFrom<GrantRow> for Grant {
    type Error = StoreError;

    fn try_from(row: GrantRow) -> Result<Self, StoreError> {
        Ok(Self {
            session: SessionId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            generation: u32::try_from(row.generation).map_err(|_| corrupt("generation", row.id))?,
            role: Role::from_stored(row.role),
            account: account(row.account_id, row.account_role),
            must_change_password: row.must_change_password,
            authenticated_at: Timestamp::from_micros(row.authenticated_at),
            methods: row.methods.split_ascii_whitespace().map(str::to_owned).collect(),
            delivery: row.delivery.parse().map_err(|_| corrupt("delivery", row.id))?,
            ends_at: Timestamp::from_micros(row.ends_at),
            acting: acting(row.acting, row.actor_id, row.id)?,
            status_index: row.status_index.map(|index| status_index(index, row.id)).transpose()?,
            factors: Factors::from_stored(row.factors),
        })
    }
}

impl ChainRow {
    /// The chain of session `id`.
    pub(crate) fn into_chain(self, id: Uuid) -> Result<Chain, StoreError> {
        let state = match (self.ended_at, self.end_cause) {
            (None, _) => SessionState::Live,
            (Some(at), cause) => SessionState::Ended {
                at: Timestamp::from_micros(at),
                cause: cause
                    .as_deref()
                    .and_then(|cause| cause.parse().ok())
                    .ok_or_else(|| corrupt("end_cause", id))?,
            },
        };
        let hash = self.secret_hash.try_into().map_err(|_| corrupt("secret_hash", id))?;
        Ok(Chain {
            secret_hash: SecretHash(hash),
            generation: u32::try_from(self.generation).map_err(|_| corrupt("generation", id))?,
            key_id: KeyId(u32::try_from(self.key_id).map_err(|_| corrupt("key_id", id))?),
            rotated_at: Timestamp::from_micros(self.rotated_at),
            idle_ends_at: Timestamp::from_micros(self.idle_ends_at),
            ends_at: Timestamp::from_micros(self.ends_at),
            state,
            window_at: Timestamp::from_micros(self.window_at),
            window_count: u32::try_from(self.window_count).map_err(|_| corrupt("window_count", id))?,
        })
    }
}
