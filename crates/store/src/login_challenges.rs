//! Sign-ins that still owe a second factor. Showing it deletes the row, so that of two who show one for the same
//! challenge one signs in.

use portcullis_core::ids::{DeviceId, UserId};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::session::Delivery;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

/// Not of a user whose credentials have moved since they were looked at. Holds nobody: what is made here grants nothing.
const PUT: &str = "INSERT INTO login_challenges (challenge_hash, user_id, epoch, methods, audiences, delivery, \
    device_id, created_at, expires_at) SELECT $1, id, $3, $4, $5, $6, $7, $8, $9 FROM users \
    WHERE id = $2 AND credential_epoch = $3 AND disabled_at IS NULL";
const GET: &str = "SELECT user_id, epoch, methods, audiences, delivery, device_id, created_at, expires_at \
    FROM login_challenges WHERE challenge_hash = $1 AND expires_at > $2";
const SPEND: &str = "DELETE FROM login_challenges WHERE challenge_hash = $1 AND expires_at > $2";
const PURGE: &str = "DELETE FROM login_challenges WHERE expires_at <= $1";

row! {
    struct ChallengeRow {
        user_id: Uuid, epoch: i64, methods: String, audiences: String, delivery: String, device_id: Option<Uuid>,
        created_at: i64, expires_at: i64,
    }
}

/// A sign-in that owes a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginChallenge {
    /// SHA-256 of its secret.
    pub digest: SecretDigest,
    /// Who signs in.
    pub user: UserId,
    /// The credential epoch that was read before the first proof.
    pub epoch: i64,
    /// What was shown so far, as `amr` has it.
    pub methods: Vec<String>,
    /// Whom the tokens are for.
    pub audiences: Vec<String>,
    /// How they travel.
    pub delivery: Delivery,
    /// The device, if it has signed in to this user before.
    pub device: Option<DeviceId>,
    /// When the first proof was given.
    pub created_at: Timestamp,
    /// Good until.
    pub expires_at: Timestamp,
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

impl Store {
    /// The challenge with this digest, while it is good.
    pub async fn login_challenge(
        &self,
        digest: SecretDigest,
        now: Timestamp,
    ) -> Result<Option<LoginChallenge>, StoreError> {
        let row: Option<ChallengeRow> = on!(&self.db, db => sqlx::query_as(GET)
            .bind(&digest.0[..])
            .bind(now.micros())
            .fetch_optional(db))?;
        row.map(|row| {
            let corrupt = |_| StoreError::Corrupt {
                table: "login_challenges",
                column: "delivery",
                id: row.user_id.to_string(),
            };
            Ok(LoginChallenge {
                digest,
                user: UserId::from_uuid(row.user_id),
                epoch: row.epoch,
                methods: words(&row.methods),
                audiences: words(&row.audiences),
                delivery: row.delivery.parse().map_err(corrupt)?,
                device: row.device_id.map(DeviceId::from_uuid),
                created_at: Timestamp::from_micros(row.created_at),
                expires_at: Timestamp::from_micros(row.expires_at),
            })
        })
        .transpose()
    }
}

/// Stores a challenge; `false`: what proves the user has changed since, or they are disabled.
pub async fn put(tx: &mut Tx, new: &LoginChallenge) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(PUT)
            .bind(&new.digest.0[..])
            .bind(new.user.uuid())
            .bind(new.epoch)
            .bind(new.methods.join(" "))
            .bind(new.audiences.join(" "))
            .bind(new.delivery.as_str())
            .bind(new.device.map(DeviceId::uuid))
            .bind(new.created_at.micros())
            .bind(new.expires_at.micros())
    )?;
    Ok(done > 0)
}

/// Uses a challenge up; `false`: it has been, or has run out.
pub async fn spend(tx: &mut Tx, digest: SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(SPEND).bind(&digest.0[..]).bind(now.micros()))? > 0)
}

/// Deletes what has run out; how many.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}
