//! Signing keys (private halves sealed) and the check values of server keys.

use portcullis_core::server_key::{KeyId, Sealed};
use portcullis_core::signing_key::KeyTimes;
use portcullis_core::time::Timestamp;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::dialect::{KEY_LOCK, control_postgres};
use crate::error::StoreError;

const SIGNING_KEYS: &str = "SELECT kid, algorithm, public_jwk, sealed_private, seal_key_id, created_at, \
    activates_at, retired_at FROM signing_keys ORDER BY activates_at, kid";
const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, public_jwk, sealed_private, seal_key_id, \
    created_at, activates_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
const RETIRE: &str = "UPDATE signing_keys SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL";
const RESEAL: &str = "UPDATE signing_keys SET sealed_private = $3, seal_key_id = $4 \
    WHERE kid = $1 AND seal_key_id = $2";
const ACTIVATE: &str = "UPDATE signing_keys SET activates_at = $2 WHERE kid = $1 AND retired_at IS NULL";
const LENGTHEN: &str = "INSERT INTO lifetimes (name, micros) VALUES ('access_token', $1) \
    ON CONFLICT (name) DO UPDATE SET micros = excluded.micros WHERE lifetimes.micros < excluded.micros";
const LONGEST: &str = "SELECT micros FROM lifetimes WHERE name = 'access_token'";
const SERVER_KEYS: &str = "SELECT key_id, check_value FROM server_keys ORDER BY created_at, key_id";
const INSERT_SERVER_KEY: &str =
    "INSERT INTO server_keys (key_id, check_value, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const DELETE_SERVER_KEY: &str = "DELETE FROM server_keys WHERE key_id = $1 AND created_at <= $2 \
    AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE seal_key_id = $1) \
    AND NOT EXISTS (SELECT 1 FROM totp_factors WHERE seal_key_id = $1) \
    AND NOT EXISTS (SELECT 1 FROM audit_erasures WHERE key_id = $1) \
    AND NOT EXISTS (SELECT 1 FROM sessions WHERE key_id = $1 AND ended_at IS NULL AND idle_ends_at > $3)";

row! {
    struct SigningKeyRow {
        kid: String, algorithm: String, public_jwk: Option<String>, sealed_private: Vec<u8>, seal_key_id: i64,
        created_at: i64, activates_at: i64, retired_at: Option<i64>,
    }
}

row! {
    struct ServerKeyRow { key_id: i64, check_value: Vec<u8> }
}

/// A signing key as stored.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its `kid`.
    pub kid: String,
    /// `ES256`, `RS256`, `EdDSA` or `HS256`.
    pub algorithm: String,
    /// Public JWK as JSON; none for HS256.
    pub public_jwk: Option<String>,
    /// The private half.
    pub sealed: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its life.
    pub times: KeyTimes,
}

/// The check value of a server key that the database was used with.
#[derive(Clone, Debug)]
pub struct KnownServerKey {
    /// Its id.
    pub id: KeyId,
    /// See [`portcullis_core::server_key::ServerKey::check_value`].
    pub check_value: Vec<u8>,
}

fn key_id(stored: i64) -> KeyId {
    KeyId(stored as u32)
}

impl From<SigningKeyRow> for StoredKey {
    fn from(row: SigningKeyRow) -> Self {
        Self {
            kid: row.kid,
            algorithm: row.algorithm,
            public_jwk: row.public_jwk,
            sealed: Sealed { key_id: key_id(row.seal_key_id), bytes: row.sealed_private },
            created_at: Timestamp::from_micros(row.created_at),
            times: KeyTimes {
                activates_at: Timestamp::from_micros(row.activates_at),
                retired_at: row.retired_at.map(Timestamp::from_micros),
            },
        }
    }
}

impl Store {
    /// All signing keys, in the order in which they become active.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let rows: Vec<SigningKeyRow> = on!(&self.db, db => sqlx::query_as(SIGNING_KEYS).fetch_all(db))?;
        Ok(rows.into_iter().map(StoredKey::from).collect())
    }

    /// How long access tokens of this database live at the most, in microseconds.
    pub async fn longest_access_token(&self) -> Result<i64, StoreError> {
        let micros: Option<i64> = on!(&self.db, db => sqlx::query_scalar(LONGEST).fetch_optional(db))?;
        Ok(micros.unwrap_or(0))
    }

    /// The server keys that this database was used with.
    pub async fn server_keys(&self) -> Result<Vec<KnownServerKey>, StoreError> {
        let rows: Vec<ServerKeyRow> = on!(&self.db, db => sqlx::query_as(SERVER_KEYS).fetch_all(db))?;
        let known =
            |row: ServerKeyRow| KnownServerKey { id: key_id(row.key_id), check_value: row.check_value };
        Ok(rows.into_iter().map(known).collect())
    }
}

/// All signing keys, with the right to add one until the transaction ends: of several nodes that find none,
/// one makes it.
pub async fn lock_signing_keys(tx: &mut Tx) -> Result<Vec<StoredKey>, StoreError> {
    control_postgres(tx, KEY_LOCK).await?;
    let rows: Vec<SigningKeyRow> = on_tx!(tx, db => sqlx::query_as(SIGNING_KEYS).fetch_all(db))?;
    Ok(rows.into_iter().map(StoredKey::from).collect())
}

/// Adds a signing key; `false`: it is there already.
pub async fn insert(tx: &mut Tx, key: &StoredKey) -> Result<bool, StoreError> {
    let made = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(&key.kid)
            .bind(&key.algorithm)
            .bind(&key.public_jwk)
            .bind(&key.sealed.bytes)
            .bind(i64::from(key.sealed.key_id.0))
            .bind(key.created_at.micros())
            .bind(key.times.activates_at.micros())
    )?;
    Ok(made > 0)
}

/// Withdraws a signing key at `at`; `false`: there is none such.
pub async fn retire(tx: &mut Tx, kid: &str, at: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(RETIRE).bind(kid).bind(at.micros()))? > 0)
}

/// Replaces the sealed half of a key that was sealed under `before`.
pub async fn reseal(tx: &mut Tx, kid: &str, before: KeyId, sealed: &Sealed) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(RESEAL)
            .bind(kid)
            .bind(i64::from(before.0))
            .bind(&sealed.bytes)
            .bind(i64::from(sealed.key_id.0))
    )?;
    Ok(done > 0)
}

/// Lets a key that is out of use, but was not withdrawn, sign again from `at` on.
pub async fn activate(tx: &mut Tx, kid: &str, at: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(ACTIVATE).bind(kid).bind(at.micros()))? > 0)
}

/// Notes that access tokens may live for `micros`, if none lived longer before.
pub async fn lengthen_access_tokens(tx: &mut Tx, micros: i64) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(LENGTHEN).bind(micros))?;
    Ok(())
}

/// Notes a server key as one the database is used with.
pub async fn insert_server_key(
    tx: &mut Tx,
    id: KeyId,
    check_value: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(INSERT_SERVER_KEY).bind(i64::from(id.0)).bind(check_value).bind(now.micros()))?;
    Ok(())
}

/// Forgets a server key, noted before `noted`, that nothing is under.
pub async fn delete_server_key(
    tx: &mut Tx,
    id: KeyId,
    noted: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let gone = affected!(
        tx,
        sqlx::query(DELETE_SERVER_KEY).bind(i64::from(id.0)).bind(noted.micros()).bind(now.micros())
    )?;
    Ok(gone > 0)
}
