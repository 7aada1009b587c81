//! The audit chain: events get their place behind the facts. Nothing that signs anybody in waits for any of this.
//!
//! An event may be committed after one with a higher id, so the chain has numbers of its own: whatever has none yet
//! is chained next. That no event is chained twice, and no place is taken twice, is in the keys of the table.

use std::sync::Arc;

use portcullis_core::audit::StoredEvent;
use portcullis_core::audit_chain::{Checkpoint, Erasure, FIELDS, Fields, Head, Link, Seal, Start};
use portcullis_core::server_key::KeyId;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::audit::{EventRow, event_columns};
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;
use crate::webhooks::{self, Message};

macro_rules! unchained {
    ($from:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", CAST(NULL AS BIGINT) AS seq FROM ",
            $from,
            " AND NOT EXISTS (SELECT 1 FROM audit_chain AS c WHERE c.event_id = e.id) ORDER BY e.id LIMIT $2"
        )
    };
}
const UNCHAINED: &str = unchained!("audit_events AS e WHERE e.id >= $1");
const UNCHAINED_IN_SLICE: &str =
    unchained!("(SELECT * FROM audit_events WHERE id > $1 ORDER BY id LIMIT $2) AS e WHERE TRUE");
const SLICE_END: &str = "SELECT id FROM audit_events WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2";

macro_rules! links {
    ($rest:literal) => {
        concat!(
            "SELECT c.seq AS link_seq, c.event_id, c.at AS link_at, c.kind AS link_kind, c.digests, c.salts, \
             c.hash, c.key_id, c.mac, c.erased, c.erased_key_id, c.erased_mac, e.at, e.kind, e.actor_id, \
             e.user_id, e.session_id, e.address, e.detail \
             FROM audit_chain AS c LEFT JOIN audit_events AS e ON e.id = c.event_id ",
            $rest
        )
    };
}
const LINKS: &str = links!("WHERE c.seq > $1 ORDER BY c.seq LIMIT $2");
const LAST: &str = links!("ORDER BY c.seq DESC LIMIT 1");
const START: &str = "SELECT seq, hash, key_id, mac FROM audit_start WHERE id = 1";
/// Behind the entry that it was made behind, or nowhere.
const INSERT: &str = "INSERT INTO audit_chain (seq, event_id, at, kind, digests, salts, hash, key_id, mac, erased) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 0 \
    WHERE EXISTS (SELECT 1 FROM audit_chain WHERE seq = $10 AND hash = $11) \
    OR EXISTS (SELECT 1 FROM audit_start WHERE seq = $10 AND hash = $11)";
const CHECKPOINT: &str = "INSERT INTO audit_checkpoints (id, seq, hash, at, key_id, mac) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const CHECKPOINTS: &str =
    "SELECT id, seq, hash, at, key_id, mac FROM audit_checkpoints ORDER BY seq DESC LIMIT $1";
const ONE_CHECKPOINT: &str = "SELECT id, seq, hash, at, key_id, mac FROM audit_checkpoints WHERE id = $1";

row! {
    struct LinkRow {
        link_seq: i64, event_id: Uuid, link_at: i64, link_kind: String, digests: Vec<u8>, salts: Vec<u8>,
        hash: Vec<u8>, key_id: i64, mac: Vec<u8>, erased: i64, erased_key_id: Option<i64>,
        erased_mac: Option<Vec<u8>>, at: Option<i64>, kind: Option<String>, actor_id: Option<Uuid>,
        user_id: Option<Uuid>, session_id: Option<Uuid>, address: Option<String>, detail: Option<String>,
    }
}

row! {
    struct StartRow { seq: i64, hash: Vec<u8>, key_id: Option<i64>, mac: Option<Vec<u8>> }
}

row! {
    struct CheckpointRow { id: Uuid, seq: i64, hash: Vec<u8>, at: i64, key_id: i64, mac: Vec<u8> }
}

/// An entry, and its event if it is there.
pub type Linked = (Link, Option<StoredEvent>);

/// `None`: what stands there is none that we ever write. Whoever inspects the chain wants to hear of it as of any
/// other change, so that it is made into something that fits nothing.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0xff; N])
}

pub(crate) fn many<const N: usize>(bytes: &[u8]) -> [[u8; N]; FIELDS] {
    std::array::from_fn(|at| fixed(bytes.get(at * N..(at + 1) * N).unwrap_or_default()))
}

pub(crate) fn seal(key_id: i64, mac: &[u8]) -> Seal {
    Seal { key: KeyId(key_id as u32), mac: fixed(mac) }
}

impl From<LinkRow> for Linked {
    fn from(row: LinkRow) -> Self {
        let erasure = row.erased_key_id.map(|key| Erasure {
            fields: Fields::from_bits(row.erased),
            seal: seal(key, row.erased_mac.as_deref().unwrap_or_default()),
        });
        let link = Link {
            seq: row.link_seq as u64,
            event: row.event_id,
            at: Timestamp::from_micros(row.link_at),
            kind: row.link_kind,
            digests: many(&row.digests),
            salts: many(&row.salts),
            hash: fixed(&row.hash),
            seal: seal(row.key_id, &row.mac),
            erasure,
        };
        let event = row.at.zip(row.kind).zip(row.detail).map(|((at, kind), detail)| {
            StoredEvent::from(EventRow {
                id: row.event_id,
                at,
                kind,
                actor_id: row.actor_id,
                user_id: row.user_id,
                session_id: row.session_id,
                address: row.address,
                detail,
                seq: Some(row.link_seq),
            })
        });
        (link, event)
    }
}

impl From<CheckpointRow> for StoredCheckpoint {
    fn from(row: CheckpointRow) -> Self {
        let checkpoint = Checkpoint {
            head: Head { seq: row.seq as u64, hash: fixed(&row.hash) },
            at: Timestamp::from_micros(row.at),
            seal: seal(row.key_id, &row.mac),
        };
        Self { id: row.id, checkpoint }
    }
}

/// A checkpoint, and the id of the message about it.
#[derive(Clone, Debug)]
pub struct StoredCheckpoint {
    /// Id.
    pub id: Uuid,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

impl Store {
    /// Events that have no place yet, from an id on, in the order of ids.
    pub async fn unchained(&self, from: Uuid, limit: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let rows: Vec<EventRow> =
            on!(&self.db, db => sqlx::query_as(UNCHAINED).bind(from).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().map(StoredEvent::from).collect())
    }

    /// The same among the next `length` events after an id, and the last of these; `None`: there are no more.
    pub async fn unchained_in_slice(
        &self,
        after: Uuid,
        length: i64,
    ) -> Result<(Vec<StoredEvent>, Option<Uuid>), StoreError> {
        let end: Option<Uuid> = on!(&self.db, db =>
            sqlx::query_scalar(SLICE_END).bind(after).bind(length - 1).fetch_optional(db))?;
        let rows: Vec<EventRow> =
            on!(&self.db, db => sqlx::query_as(UNCHAINED_IN_SLICE).bind(after).bind(length).fetch_all(db))?;
        Ok((rows.into_iter().map(StoredEvent::from).collect(), end))
    }

    /// The entries after one, in order.
    pub async fn links(&self, after: u64, limit: i64) -> Result<Vec<Linked>, StoreError> {
        let rows: Vec<LinkRow> =
            on!(&self.db, db => sqlx::query_as(LINKS).bind(after as i64).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().map(Linked::from).collect())
    }

    /// The last entry.
    pub async fn last_link(&self) -> Result<Option<Linked>, StoreError> {
        let row: Option<LinkRow> = on!(&self.db, db => sqlx::query_as(LAST).fetch_optional(db))?;
        Ok(row.map(Linked::from))
    }

    /// Where the chain begins.
    pub async fn chain_start(&self) -> Result<Start, StoreError> {
        let row: Option<StartRow> = on!(&self.db, db => sqlx::query_as(START).fetch_optional(db))?;
        // Somebody has taken the row away: the first entry that is there will not fit.
        let Some(row) = row else { return Ok(Start { head: Head::NONE, seal: None }) };
        let head = Head { seq: row.seq as u64, hash: fixed(&row.hash) };
        Ok(Start { head, seal: row.key_id.zip(row.mac).map(|(key, mac)| seal(key, &mac)) })
    }

    /// Puts entries behind the one that they were made behind, and the messages about them beside them; `false`:
    /// another node has put one there, or has chained one of these events.
    pub async fn chain(
        &self,
        links: Arc<[(Link, [u8; 32])]>,
        messages: Arc<[Message]>,
    ) -> Result<bool, StoreError> {
        let done = self.write(move |tx| {
            let (links, messages) = (links.clone(), messages.clone());
            Box::pin(async move {
                for (link, before) in &*links {
                    insert(tx, link, before).await?;
                }
                for message in &*messages {
                    webhooks::insert(tx, message).await?;
                }
                Ok(())
            })
        });
        match done.await {
            Ok(()) => Ok(true),
            Err(StoreError::Refused) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest checkpoints, newest first.
    pub async fn checkpoints(&self, limit: i64) -> Result<Vec<StoredCheckpoint>, StoreError> {
        let rows: Vec<CheckpointRow> =
            on!(&self.db, db => sqlx::query_as(CHECKPOINTS).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().map(StoredCheckpoint::from).collect())
    }

    /// One checkpoint.
    pub async fn checkpoint(&self, id: Uuid) -> Result<Option<StoredCheckpoint>, StoreError> {
        let row: Option<CheckpointRow> =
            on!(&self.db, db => sqlx::query_as(ONE_CHECKPOINT).bind(id).fetch_optional(db))?;
        Ok(row.map(StoredCheckpoint::from))
    }
}

async fn insert(tx: &mut Tx, link: &Link, before: &[u8; 32]) -> Result<(), StoreError> {
    let inserted = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(link.seq as i64)
            .bind(link.event)
            .bind(link.at.micros())
            .bind(&link.kind)
            .bind(link.digests.as_flattened())
            .bind(link.salts.as_flattened())
            .bind(&link.hash[..])
            .bind(i64::from(link.seal.key.0))
            .bind(&link.seal.mac[..])
            .bind(link.seq as i64 - 1)
            .bind(&before[..])
    );
    match inserted {
        Ok(0) => Err(StoreError::Refused),
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::Refused),
        Err(error) => Err(error.into()),
    }
}

/// Notes a checkpoint; `false`: there is one at this entry.
pub async fn insert_checkpoint(tx: &mut Tx, stored: &StoredCheckpoint) -> Result<bool, StoreError> {
    let Checkpoint { head, at, seal } = &stored.checkpoint;
    let made = affected!(
        tx,
        sqlx::query(CHECKPOINT)
            .bind(stored.id)
            .bind(head.seq as i64)
            .bind(&head.hash[..])
            .bind(at.micros())
            .bind(i64::from(seal.key.0))
            .bind(&seal.mac[..])
    )?;
    Ok(made > 0)
}
