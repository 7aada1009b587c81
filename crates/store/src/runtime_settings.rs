//! Settings that were changed at run time: rows that override the configuration.

use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::dialect::{NOTIFY, SETTINGS_LOCK, control_postgres};
use crate::error::StoreError;
use crate::new_session::{Asker, hold_asker};

const ALL: &str = "SELECT name, value, updated_at, updated_by FROM runtime_settings ORDER BY name";
const VALUE: &str = "SELECT value FROM runtime_settings WHERE name = $1";
const SET: &str = "INSERT INTO runtime_settings (name, value, updated_at, updated_by) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at, \
    updated_by = excluded.updated_by";
const UNSET: &str = "DELETE FROM runtime_settings WHERE name = $1";

row! {
    struct OverrideRow { name: String, value: String, updated_at: i64, updated_by: Option<Uuid> }
}

/// A value that was set at run time.
#[derive(Clone, Debug)]
pub struct Override {
    /// Of which setting; one that this version does not know may be among them.
    pub name: String,
    /// JSON.
    pub value: Value,
    /// When it was set.
    pub updated_at: Timestamp,
    /// By whom; `None`: an operator, on the command line.
    pub updated_by: Option<UserId>,
}

impl TryFrom<OverrideRow> for Override {
    type Error = StoreError;

    fn try_from(row: OverrideRow) -> Result<Self, StoreError> {
        let value = serde_json::from_str(&row.value).map_err(|_| StoreError::Corrupt {
            table: "runtime_settings",
            column: "value",
            id: row.name.clone(),
        })?;
        Ok(Self {
            name: row.name,
            value,
            updated_at: Timestamp::from_micros(row.updated_at),
            updated_by: row.updated_by.map(UserId::from_uuid),
        })
    }
}

/// A change of one setting.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which.
    pub name: &'static str,
    /// The value; `None`: as it is configured again.
    pub value: Option<Value>,
    /// Who asks; `None`: an operator, on the command line.
    pub asker: Option<Asker>,
    /// Now.
    pub now: Timestamp,
}

/// What became of a [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Done; what was set before, if anything was.
    From(Option<Value>),
    /// It was so already.
    Not,
    /// Whoever asks is no administrator any more, or their session has ended.
    NoAsker,
}

impl Store {
    /// All values that were set at run time.
    pub async fn runtime_settings(&self) -> Result<Vec<Override>, StoreError> {
        let rows: Vec<OverrideRow> = on!(&self.db, db => sqlx::query_as(ALL).fetch_all(db))?;
        rows.into_iter().map(Override::try_from).collect()
    }
}

/// Sets or unsets one setting. Changes come one after the other, so that each knows what it changes.
pub async fn change(tx: &mut Tx, change: &Change) -> Result<Changed, StoreError> {
    if let Some(asker) = change.asker
        && hold_asker(tx, asker, true, change.now).await?.is_none()
    {
        return Ok(Changed::NoAsker);
    }
    control_postgres(tx, SETTINGS_LOCK).await?;
    let before: Option<String> =
        on_tx!(tx, db => sqlx::query_scalar(VALUE).bind(change.name).fetch_optional(db))?;
    // What cannot be read is replaced like anything else.
    let before = before.map(|text| serde_json::from_str(&text).unwrap_or(Value::Null));
    if before == change.value {
        return Ok(Changed::Not);
    }
    match &change.value {
        Some(value) => affected!(
            tx,
            sqlx::query(SET)
                .bind(change.name)
                .bind(value.to_string())
                .bind(change.now.micros())
                .bind(change.asker.map(|asker| asker.user.uuid()))
        )?,
        None => affected!(tx, sqlx::query(UNSET).bind(change.name))?,
    };
    control_postgres(tx, NOTIFY).await?;
    Ok(Changed::From(before))
}
