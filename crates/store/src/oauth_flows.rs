//! Ways to other providers and back. Each is taken away by whoever comes back, if all that it is bound to fits: of twenty
//! who come back with one state, one does.

use portcullis_core::external::FlowPurpose;
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::server_key::{KeyId, Sealed};
use portcullis_core::session::Delivery;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::db::{Tx, affected, on_tx, row};
use crate::error::StoreError;

const PUT: &str = "INSERT INTO oauth_flows (state_hash, provider, purpose, redirect_uri, return_to, delivery, \
    secret_hash, in_browser, key_id, sealed_invites, fresh, user_id, session_id, epoch, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
const TAKE: &str = "DELETE FROM oauth_flows WHERE state_hash = $1 AND provider = $2 AND secret_hash = $3 \
    AND in_browser = $4 AND redirect_uri = COALESCE($5, redirect_uri) AND expires_at > $6 \
    RETURNING purpose, redirect_uri, return_to, delivery, key_id, sealed_invites, fresh, user_id, session_id, epoch, \
    created_at, expires_at";
const PURGE: &str = "DELETE FROM oauth_flows WHERE expires_at <= $1";

row! {
    struct FlowRow {
        purpose: String, redirect_uri: String, return_to: Option<String>, delivery: Option<String>, key_id: i64,
        sealed_invites: Option<Vec<u8>>, fresh: bool, user_id: Option<Uuid>, session_id: Option<Uuid>,
        epoch: Option<i64>, created_at: i64, expires_at: i64,
    }
}

/// Whose a flow of linking is: as they stood when they began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linker {
    /// The user.
    pub user: UserId,
    /// The session from which they ask. It must live when they come back.
    pub session: SessionId,
    /// Their credential epoch.
    pub epoch: i64,
}

/// What somebody went to a provider for.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Where the provider sends the browser.
    pub redirect_uri: String,
    /// Where it goes in the end.
    pub return_to: Option<String>,
    /// How the tokens travel, if that was said.
    pub delivery: Option<Delivery>,
    /// Under which server key its secrets are derived.
    pub key: KeyId,
    /// Codes of invites.
    pub invites: Option<Sealed>,
    /// The provider is asked to have the person sign in anew.
    pub fresh: bool,
    /// Of linking; without, it is a sign-in.
    pub linker: Option<Linker>,
    /// When it began.
    pub created_at: Timestamp,
    /// Good until.
    pub expires_at: Timestamp,
}

/// What a flow is found by, and bound to.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Of `state`.
    pub state: SecretDigest,
    /// Which provider.
    pub provider: String,
    /// Of what whoever began it holds.
    pub secret: SecretDigest,
    /// It came in a cookie, not in a body.
    pub in_browser: bool,
    /// Where the provider sent the browser, if that is told.
    pub redirect_uri: Option<String>,
}

/// Keeps a flow; `presented` is what it will be taken by, and its redirect URI that of the flow.
pub async fn put(tx: &mut Tx, flow: &Flow, presented: &Presented) -> Result<(), StoreError> {
    let purpose = if flow.linker.is_some() { FlowPurpose::Link } else { FlowPurpose::SignIn };
    affected!(
        tx,
        sqlx::query(PUT)
            .bind(&presented.state.0[..])
            .bind(&presented.provider)
            .bind(purpose.as_str())
            .bind(&flow.redirect_uri)
            .bind(&flow.return_to)
            .bind(flow.delivery.map(Delivery::as_str))
            .bind(&presented.secret.0[..])
            .bind(presented.in_browser)
            .bind(i64::from(flow.key.0))
            .bind(flow.invites.as_ref().map(|sealed| &sealed.bytes[..]))
            .bind(flow.fresh)
            .bind(flow.linker.map(|linker| linker.user.uuid()))
            .bind(flow.linker.map(|linker| linker.session.uuid()))
            .bind(flow.linker.map(|linker| linker.epoch))
            .bind(flow.created_at.micros())
            .bind(flow.expires_at.micros())
    )?;
    Ok(())
}

/// Takes a flow away, if all fits; `None`: it does not, it was taken before, or is too old. What does not fit leaves the
/// flow where it is: a stranger who has seen the state spoils nothing.
pub async fn take(tx: &mut Tx, presented: &Presented, now: Timestamp) -> Result<Option<Flow>, StoreError> {
    let row: Option<FlowRow> = on_tx!(tx, db => sqlx::query_as(TAKE)
        .bind(&presented.state.0[..])
        .bind(&presented.provider)
        .bind(&presented.secret.0[..])
        .bind(presented.in_browser)
        .bind(&presented.redirect_uri)
        .bind(now.micros())
        .fetch_optional(db))?;
    row.map(Flow::try_from).transpose()
}

/// Deletes what has run out; how many.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}

impl TryFrom<FlowRow> for Flow {
    type Error = StoreError;

    fn try_from(row: FlowRow) -> Result<Self, StoreError> {
        let corrupt = |column| StoreError::Corrupt { table: "oauth_flows", column, id: "(taken)".into() };
        let key = KeyId(u32::try_from(row.key_id).map_err(|_| corrupt("key_id"))?);
        let purpose = FlowPurpose::from_name(&row.purpose).ok_or_else(|| corrupt("purpose"))?;
        let linker = match (purpose, row.user_id, row.session_id, row.epoch) {
            (FlowPurpose::SignIn, None, None, None) => None,
            (FlowPurpose::Link, Some(user), Some(session), Some(epoch)) => {
                Some(Linker { user: UserId::from_uuid(user), session: SessionId::from_uuid(session), epoch })
            }
            _ => return Err(corrupt("purpose")),
        };
        let delivery = row.delivery.map(|word| word.parse()).transpose();
        Ok(Self {
            redirect_uri: row.redirect_uri,
            return_to: row.return_to,
            delivery: delivery.map_err(|_| corrupt("delivery"))?,
            key,
            invites: row.sealed_invites.map(|bytes| Sealed { key_id: key, bytes }),
            fresh: row.fresh,
            linker,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        })
    }
}
