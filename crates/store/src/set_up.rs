//! The set-up link: at most one row, whose guard makes at most one first administrator.

use portcullis_core::server_key::KeyId;
use portcullis_core::time::Timestamp;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const GET: &str = "SELECT link_id, link_hash, key_id, expires_at, completed_at FROM set_up WHERE id = 1";
const OFFER: &str = "INSERT INTO set_up (id, link_id, link_hash, key_id, expires_at) \
    VALUES (1, $1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET link_id = excluded.link_id, \
    link_hash = excluded.link_hash, key_id = excluded.key_id, expires_at = excluded.expires_at \
    WHERE set_up.completed_at IS NULL AND (set_up.expires_at <= $5 OR set_up.key_id <> excluded.key_id)";
const SPEND: &str = "UPDATE set_up SET completed_at = $2, link_hash = NULL, link_id = NULL WHERE id = 1 \
    AND link_hash = $1 AND expires_at > $2 AND completed_at IS NULL";
const COMPLETE: &str = "INSERT INTO set_up (id, completed_at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE \
    SET completed_at = excluded.completed_at, link_hash = NULL, link_id = NULL \
    WHERE set_up.completed_at IS NULL";

row! {
    struct SetUpRow {
        link_id: Option<Vec<u8>>, link_hash: Option<Vec<u8>>, key_id: Option<i64>, expires_at: Option<i64>,
        completed_at: Option<i64>,
    }
}

/// Whether there has ever been an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// Never, and no link was offered.
    Fresh,
    /// Never; a link is on offer.
    Offered {
        /// What the link is derived from.
        link_id: [u8; 16],
        /// SHA-256 of the link's token.
        link_hash: [u8; 32],
        /// Under which server key.
        key_id: KeyId,
        /// Good until.
        expires_at: Timestamp,
    },
    /// There has been one.
    Completed,
}

impl Store {
    /// How far set-up is.
    pub async fn set_up(&self) -> Result<SetUp, StoreError> {
        let row: Option<SetUpRow> = on!(&self.db, db => sqlx::query_as(GET).fetch_optional(db))?;
        let Some(row) = row else { return Ok(SetUp::Fresh) };
        if row.completed_at.is_some() {
            return Ok(SetUp::Completed);
        }
        let offered = || {
            Some(SetUp::Offered {
                link_id: row.link_id?.try_into().ok()?,
                link_hash: row.link_hash?.try_into().ok()?,
                key_id: KeyId(row.key_id? as u32),
                expires_at: Timestamp::from_micros(row.expires_at?),
            })
        };
        offered().ok_or_else(|| StoreError::Corrupt { table: "set_up", column: "link_id", id: "1".into() })
    }
}

/// A link to offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it is derived from.
    pub link_id: [u8; 16],
    /// SHA-256 of its token.
    pub link_hash: [u8; 32],
    /// Server key it is derived under.
    pub key_id: KeyId,
    /// Good until.
    pub expires_at: Timestamp,
}

/// Offers a link, unless a live one is on offer or set-up is done.
pub async fn offer(tx: &mut Tx, offer: &Offer, now: Timestamp) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(OFFER)
            .bind(&offer.link_id[..])
            .bind(&offer.link_hash[..])
            .bind(i64::from(offer.key_id.0))
            .bind(offer.expires_at.micros())
            .bind(now.micros())
    )?;
    Ok(())
}

/// Spends the link; `false`: wrong, out of date or void.
pub async fn spend(tx: &mut Tx, link_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(SPEND).bind(&link_hash[..]).bind(now.micros()))? > 0)
}

/// Notes that there is an administrator now, however they came to be: voids any link.
pub async fn complete(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(COMPLETE).bind(now.micros()))?;
    Ok(())
}
