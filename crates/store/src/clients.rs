//! Service clients: programs that ask for tokens in their own name. Only the SHA-256 of their secret is kept.

use portcullis_core::client::{GrantTypes, ServiceClient};
use portcullis_core::ids::ClientId;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;
use crate::new_session::{Asker, hold_asker};

macro_rules! columns {
    () => {
        "id, name, secret_hash, grant_types, scopes, audiences, created_at"
    };
}

const INSERT: &str = "INSERT INTO service_clients (id, name, secret_hash, grant_types, scopes, audiences, \
    created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const ONE: &str =
    concat!("SELECT ", columns!(), " FROM service_clients WHERE id = $1 AND revoked_at IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM service_clients WHERE revoked_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2"
);
const HOLD: &str = "UPDATE service_clients SET name = name WHERE id = $1 AND revoked_at IS NULL";
const REVOKE: &str = "UPDATE service_clients SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const PURGE: &str = "DELETE FROM service_clients WHERE revoked_at <= $1";

row! {
    struct ClientRow {
        id: Uuid, name: String, secret_hash: Vec<u8>, grant_types: String, scopes: String,
        audiences: Option<String>, created_at: i64,
    }
}

impl TryFrom<ClientRow> for ServiceClient {
    type Error = StoreError;

    fn try_from(row: ClientRow) -> Result<Self, StoreError> {
        let corrupt =
            |column| StoreError::Corrupt { table: "service_clients", column, id: row.id.to_string() };
        let hash: [u8; 32] = row.secret_hash[..].try_into().map_err(|_| corrupt("secret_hash"))?;
        Ok(Self {
            id: ClientId::from_uuid(row.id),
            name: row.name,
            secret: SecretDigest(hash),
            grant_types: GrantTypes::from_stored(&row.grant_types),
            scopes: Scopes::from_stored(&row.scopes),
            audiences: row.audiences.map(|text| text.split_ascii_whitespace().map(str::to_owned).collect()),
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}

impl Store {
    /// A client that has not been revoked.
    pub async fn client(&self, id: ClientId) -> Result<Option<ServiceClient>, StoreError> {
        let row: Option<ClientRow> =
            on!(&self.db, db => sqlx::query_as(ONE).bind(id.uuid()).fetch_optional(db))?;
        row.map(ServiceClient::try_from).transpose()
    }

    /// Clients that have not been revoked, newest first, made before one.
    pub async fn clients(
        &self,
        before: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<ServiceClient>, StoreError> {
        let before = before.map_or(Uuid::max(), ClientId::uuid);
        let rows: Vec<ClientRow> =
            on!(&self.db, db => sqlx::query_as(LIST).bind(before).bind(limit).fetch_all(db))?;
        rows.into_iter().map(ServiceClient::try_from).collect()
    }
}

/// Makes a client, if whoever asks is an administrator at that moment (`None`: an operator asks); `false`: they are
/// none any more, or their session has ended. The role in their token may be older than the one that they have.
pub async fn insert(tx: &mut Tx, client: &ServiceClient, asker: Option<Asker>) -> Result<bool, StoreError> {
    if let Some(asker) = asker
        && hold_asker(tx, asker, true, client.created_at).await?.is_none()
    {
        return Ok(false);
    }
    affected!(
        tx,
        sqlx::query(INSERT)
            .bind(client.id.uuid())
            .bind(&client.name)
            .bind(&client.secret.0[..])
            .bind(client.grant_types.to_string())
            .bind(client.scopes.to_string())
            .bind(client.audiences.as_ref().map(|audiences| audiences.join(" ")))
            .bind(client.created_at.micros())
    )?;
    Ok(true)
}

/// Holds a client until the commit; `false`: there is none that is not revoked.
pub async fn hold(tx: &mut Tx, id: ClientId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(HOLD).bind(id.uuid()))? > 0)
}

/// Revokes a client; `false`: there is none that is not revoked.
pub async fn revoke(tx: &mut Tx, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(REVOKE).bind(id.uuid()).bind(now.micros()))? > 0)
}

/// Deletes what was revoked before `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(before.micros()))?)
}
