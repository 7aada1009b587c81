//! Devices on which a user is asked for no second factor, while the credential epoch is the one in which they said so.

use portcullis_core::ids::{DeviceId, UserId};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const PUT: &str = "INSERT INTO trusted_devices (user_id, device_id, epoch, device, address, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, device_id) DO UPDATE SET epoch = excluded.epoch, \
    device = excluded.device, address = excluded.address, created_at = excluded.created_at, \
    expires_at = excluded.expires_at";
const IS_TRUSTED: &str = "SELECT COUNT(*) FROM trusted_devices WHERE user_id = $1 AND device_id = $2 \
    AND epoch = $3 AND expires_at > $4";
const LIST: &str = "SELECT t.device_id, t.epoch, t.device, t.address, t.created_at, t.expires_at \
    FROM trusted_devices AS t JOIN users AS u ON u.id = t.user_id AND u.credential_epoch = t.epoch \
    WHERE t.user_id = $1 AND t.expires_at > $2 ORDER BY t.created_at DESC, t.device_id LIMIT 1000";
const REMOVE: &str = "DELETE FROM trusted_devices WHERE user_id = $1 AND device_id = $2";
const REMOVE_ALL: &str = "DELETE FROM trusted_devices WHERE user_id = $1";
const PURGE: &str = "DELETE FROM trusted_devices WHERE expires_at <= $1";

row! {
    struct DeviceRow { device_id: Uuid, epoch: i64, device: String, address: String, created_at: i64, expires_at: i64 }
}

/// A device that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedDevice {
    /// Id.
    pub id: DeviceId,
    /// The credential epoch in which it is.
    pub epoch: i64,
    /// What it calls itself.
    pub device: String,
    /// Where it was.
    pub address: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Store {
    /// Whether no second factor is asked for on `device`.
    pub async fn is_trusted_device(
        &self,
        user: UserId,
        device: DeviceId,
        epoch: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let count: i64 = on!(&self.db, db => sqlx::query_scalar(IS_TRUSTED)
            .bind(user.uuid())
            .bind(device.uuid())
            .bind(epoch)
            .bind(now.micros())
            .fetch_one(db))?;
        Ok(count > 0)
    }

    /// The devices of a user that are trusted now, the newest first.
    pub async fn trusted_devices(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<TrustedDevice>, StoreError> {
        let rows: Vec<DeviceRow> = on!(&self.db, db => sqlx::query_as(LIST)
            .bind(user.uuid())
            .bind(now.micros())
            .fetch_all(db))?;
        let device = |row: DeviceRow| TrustedDevice {
            id: DeviceId::from_uuid(row.device_id),
            epoch: row.epoch,
            device: row.device,
            address: row.address,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        };
        Ok(rows.into_iter().map(device).collect())
    }
}

/// Trusts a device of `user`.
pub async fn put(tx: &mut Tx, user: UserId, new: &TrustedDevice) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(PUT)
            .bind(user.uuid())
            .bind(new.id.uuid())
            .bind(new.epoch)
            .bind(&new.device)
            .bind(&new.address)
            .bind(new.created_at.micros())
            .bind(new.expires_at.micros())
    )?;
    Ok(())
}

/// Trusts a device no more; `false`: it was not trusted.
pub async fn remove(tx: &mut Tx, user: UserId, device: DeviceId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(REMOVE).bind(user.uuid()).bind(device.uuid()))? > 0)
}

/// Trusts no device of a user any more.
pub async fn remove_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(REMOVE_ALL).bind(user.uuid()))?;
    Ok(())
}

/// Forgets those that are trusted no more; how many.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}
