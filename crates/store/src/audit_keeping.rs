//! What happens to the audit chain later: retention takes its beginning, users who are gone take their traces,
//! another server key takes over.

use portcullis_core::audit_chain::{Erasure, ErasureRequest, Field, Fields, Head, Salt, Seal, Start};
use portcullis_core::ids::UserId;
use portcullis_core::server_key::KeyId;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::audit_chain::{many, seal};
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const MOVE_START: &str = "UPDATE audit_start SET seq = $1, hash = $2, key_id = $3, mac = $4 WHERE id = 1 \
    AND seq < $1 AND EXISTS (SELECT 1 FROM audit_chain WHERE seq = $1 AND hash = $2)";
const FORGET: [&str; 4] = [
    "DELETE FROM webhook_deliveries WHERE message_id IN (SELECT event_id FROM audit_chain WHERE seq <= $1)",
    "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_chain WHERE seq <= $1)",
    "DELETE FROM audit_chain WHERE seq <= $1",
    "DELETE FROM audit_checkpoints WHERE seq < $1",
];
/// The newest stays, however old it is: the next one is made when the chain has grown.
const PURGE_CHECKPOINTS: &str = "DELETE FROM audit_checkpoints WHERE at < $1 \
    AND seq < (SELECT MAX(seq) FROM audit_checkpoints)";

const ASK_ERASURE: &str = "INSERT INTO audit_erasures (user_id, asked_at, after_id, key_id, mac) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id) DO UPDATE SET asked_at = excluded.asked_at, \
    after_id = excluded.after_id, key_id = excluded.key_id, mac = excluded.mac";
const ERASURES: &str =
    "SELECT user_id, asked_at, key_id, mac FROM audit_erasures ORDER BY asked_at LIMIT 100";
const FINISH: &str = "DELETE FROM audit_erasures WHERE user_id = $1 AND asked_at = $2";
/// A message is made of its event when it is sent. One that nobody sends, to an endpoint that is configured no more, is
/// waited for no longer than others are tried. The two halves each have an index.
const TRACES: &str = "SELECT e.id, e.user_id, e.actor_id, c.seq, c.erased, c.salts FROM \
    (SELECT id, user_id, actor_id FROM audit_events WHERE user_id = $3 AND id > $1 \
    UNION ALL SELECT id, user_id, actor_id FROM audit_events WHERE actor_id = $3 \
    AND (user_id IS NULL OR user_id <> actor_id) AND id > $1 ORDER BY id LIMIT ($2 + 0)) AS e \
    LEFT JOIN audit_chain AS c ON c.event_id = e.id AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS d \
    WHERE d.message_id = e.id AND d.due_at IS NOT NULL AND d.since > $4) ORDER BY e.id";
const MARK: &str = "UPDATE audit_chain SET erased = $3, erased_key_id = $4, erased_mac = $5, salts = $6 \
    WHERE seq = $1 AND erased = $2";
const ERASE: &str = "UPDATE audit_events SET \
    user_id = CASE WHEN $2 THEN NULL ELSE user_id END, \
    actor_id = CASE WHEN $3 THEN NULL ELSE actor_id END, \
    session_id = CASE WHEN $4 THEN NULL ELSE session_id END, \
    address = CASE WHEN $5 THEN NULL ELSE address END, \
    detail = CASE WHEN $6 THEN '{}' ELSE detail END WHERE id = $1";

const RESEAL_LINK: &str = "UPDATE audit_chain SET key_id = $3, mac = $4 WHERE seq = $1 AND key_id = $2";
const RESEAL_START: &str =
    "UPDATE audit_start SET key_id = $3, mac = $4 WHERE id = 1 AND seq = $1 AND key_id = $2";
const ERASED_UNDER_OTHERS: &str = "SELECT seq, event_id, erased, erased_key_id, erased_mac FROM audit_chain \
    WHERE erased_key_id IS NOT NULL AND erased_key_id <> $1 AND seq > $2 ORDER BY seq LIMIT $3";
const RESEAL_ERASURE: &str = "UPDATE audit_chain SET erased_key_id = $3, erased_mac = $4 \
    WHERE seq = $1 AND erased_key_id = $2 AND erased = $5";
const RESEAL_REQUEST: &str = "UPDATE audit_erasures SET key_id = $4, mac = $5 \
    WHERE user_id = $1 AND asked_at = $2 AND key_id = $3";
const KEY_USE: &str = "SELECT key_id, COUNT(*) AS uses FROM (SELECT key_id FROM audit_start \
    WHERE key_id IS NOT NULL UNION ALL SELECT key_id FROM audit_chain \
    WHERE seq = (SELECT MAX(seq) FROM audit_chain) UNION ALL SELECT erased_key_id AS key_id FROM audit_chain \
    WHERE erased_key_id IS NOT NULL UNION ALL SELECT key_id FROM audit_erasures) AS used GROUP BY key_id";

row! {
    struct ErasureRow { user_id: Uuid, asked_at: i64, key_id: i64, mac: Vec<u8> }
}

row! {
    struct TraceRow {
        id: Uuid, user_id: Option<Uuid>, actor_id: Option<Uuid>, seq: Option<i64>, erased: Option<i64>,
        salts: Option<Vec<u8>>,
    }
}

row! {
    struct ErasedRow { seq: i64, event_id: Uuid, erased: i64, erased_key_id: i64, erased_mac: Vec<u8> }
}

row! {
    struct KeyUseRow { key_id: i64, uses: i64 }
}

/// An event that names somebody.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// Which.
    pub event: Uuid,
    /// On whom.
    pub user: Option<UserId>,
    /// Who.
    pub actor: Option<UserId>,
    /// Its entry; `None`: it has none yet, or a webhook has yet to be told of it.
    pub link: Option<TraceLink>,
}

/// The entry of a [`Trace`].
#[derive(Clone, Copy, Debug)]
pub struct TraceLink {
    /// Its place.
    pub seq: u64,
    /// What was erased before.
    pub erased: Fields,
    /// Its salts.
    pub salts: [Salt; 5],
}

/// What is to be taken from an event.
#[derive(Clone, Copy, Debug)]
pub struct Erase {
    /// Which.
    pub event: Uuid,
    /// Its entry, as it was read.
    pub link: TraceLink,
    /// All that is erased then.
    pub erasure: Erasure,
}

/// An erasure that is under a server key.
#[derive(Clone, Copy, Debug)]
pub struct Erased {
    /// Of which entry.
    pub seq: u64,
    /// Of which event.
    pub event: Uuid,
    /// What, and under which key.
    pub erasure: Erasure,
}

impl Store {
    /// Users who are gone and whose traces are to be erased.
    pub async fn asked_erasures(&self) -> Result<Vec<ErasureRequest>, StoreError> {
        let rows: Vec<ErasureRow> = on!(&self.db, db => sqlx::query_as(ERASURES).fetch_all(db))?;
        let asked = |row: ErasureRow| ErasureRequest {
            user: UserId::from_uuid(row.user_id),
            asked_at: Timestamp::from_micros(row.asked_at),
            seal: seal(row.key_id, &row.mac),
        };
        Ok(rows.into_iter().map(asked).collect())
    }

    /// The next `length` events after one that name `user`. An event waits for webhooks that have been told of it since `tried`, without success so far.
    pub async fn traces(
        &self,
        user: UserId,
        after: Uuid,
        length: i64,
        tried: Timestamp,
    ) -> Result<Vec<Trace>, StoreError> {
        let rows: Vec<TraceRow> = on!(&self.db, db => sqlx::query_as(TRACES)
            .bind(after)
            .bind(length)
            .bind(user.uuid())
            .bind(tried.micros())
            .fetch_all(db))?;
        let trace = |row: TraceRow| Trace {
            event: row.id,
            user: row.user_id.map(UserId::from_uuid),
            actor: row.actor_id.map(UserId::from_uuid),
            link: row.seq.zip(row.erased).zip(row.salts).map(|((seq, erased), salts)| TraceLink {
                seq: seq as u64,
                erased: Fields::from_bits(erased),
                salts: many(&salts),
            }),
        };
        Ok(rows.into_iter().map(trace).collect())
    }

    /// Erasures under other keys than this one, from an entry on.
    pub async fn erased_under_others(
        &self,
        key: KeyId,
        after: u64,
        limit: i64,
    ) -> Result<Vec<Erased>, StoreError> {
        let rows: Vec<ErasedRow> = on!(&self.db, db => sqlx::query_as(ERASED_UNDER_OTHERS)
            .bind(i64::from(key.0))
            .bind(after as i64)
            .bind(limit)
            .fetch_all(db))?;
        let erased = |row: ErasedRow| Erased {
            seq: row.seq as u64,
            event: row.event_id,
            erasure: Erasure {
                fields: Fields::from_bits(row.erased),
                seal: seal(row.erased_key_id, &row.erased_mac),
            },
        };
        Ok(rows.into_iter().map(erased).collect())
    }

    /// How much of the chain cannot be checked without a server key, for each.
    pub async fn chain_by_key(&self) -> Result<Vec<(KeyId, i64)>, StoreError> {
        let rows: Vec<KeyUseRow> = on!(&self.db, db => sqlx::query_as(KEY_USE).fetch_all(db))?;
        Ok(rows.into_iter().map(|row| (KeyId(row.key_id as u32), row.uses)).collect())
    }
}

/// Lets the chain begin behind an entry, and forgets all up to it, events included; how many entries. 0: it begins
/// there or later, or the entry is another one.
pub async fn forget_up_to(tx: &mut Tx, start: &Start) -> Result<u64, StoreError> {
    let Head { seq, hash } = start.head;
    let moved = affected!(
        tx,
        sqlx::query(MOVE_START)
            .bind(seq as i64)
            .bind(&hash[..])
            .bind(start.seal.map(|seal| i64::from(seal.key.0)))
            .bind(start.seal.map(|seal| seal.mac.to_vec()))
    )?;
    let mut gone = 0;
    if moved > 0 {
        for (at, statement) in FORGET.into_iter().enumerate() {
            let rows = affected!(tx, sqlx::query(statement).bind(seq as i64))?;
            gone += if at == 2 { rows } else { 0 };
        }
    }
    Ok(gone)
}

/// Deletes checkpoints made before `before`.
pub async fn purge_checkpoints(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE_CHECKPOINTS).bind(before.micros()))?)
}

/// Asks, in the transaction that deletes a user, that their traces be erased; that is done behind it.
pub async fn ask_erasure(tx: &mut Tx, request: &ErasureRequest) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(ASK_ERASURE)
            .bind(request.user.uuid())
            .bind(request.asked_at.micros())
            .bind(Uuid::nil())
            .bind(i64::from(request.seal.key.0))
            .bind(&request.seal.mac[..])
    )?;
    Ok(())
}

/// Erases; what has changed since it was read is left.
pub async fn erase(tx: &mut Tx, erase: &Erase) -> Result<(), StoreError> {
    let Erasure { fields, seal } = erase.erasure;
    let mut salts = erase.link.salts;
    for field in Field::ALL.into_iter().filter(|field| fields.has(*field)) {
        salts[field as usize] = [0; 16];
    }
    let marked = affected!(
        tx,
        sqlx::query(MARK)
            .bind(erase.link.seq as i64)
            .bind(erase.link.erased.bits())
            .bind(fields.bits())
            .bind(i64::from(seal.key.0))
            .bind(&seal.mac[..])
            .bind(salts.as_flattened())
    )?;
    if marked > 0 {
        affected!(
            tx,
            sqlx::query(ERASE)
                .bind(erase.event)
                .bind(fields.has(Field::User))
                .bind(fields.has(Field::Actor))
                .bind(fields.has(Field::Session))
                .bind(fields.has(Field::Address))
                .bind(fields.has(Field::Detail))
        )?;
    }
    Ok(())
}

/// Nothing tells of a user any more, unless it was asked for again.
pub async fn finish_erasure(tx: &mut Tx, asked: &ErasureRequest) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(FINISH).bind(asked.user.uuid()).bind(asked.asked_at.micros()))?;
    Ok(())
}

/// Puts the seal of an entry, made under `before`, under another key.
pub async fn reseal_link(tx: &mut Tx, seq: u64, before: KeyId, seal: Seal) -> Result<(), StoreError> {
    reseal(tx, RESEAL_LINK, (seq, before), seal).await
}

/// The same for where the chain begins.
pub async fn reseal_start(tx: &mut Tx, seq: u64, before: KeyId, seal: Seal) -> Result<(), StoreError> {
    reseal(tx, RESEAL_START, (seq, before), seal).await
}

/// The same for an erasure that is asked for, of the same user and time.
pub async fn reseal_request(tx: &mut Tx, before: KeyId, request: &ErasureRequest) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(RESEAL_REQUEST)
            .bind(request.user.uuid())
            .bind(request.asked_at.micros())
            .bind(i64::from(before.0))
            .bind(i64::from(request.seal.key.0))
            .bind(&request.seal.mac[..])
    )?;
    Ok(())
}

async fn reseal(
    tx: &mut Tx,
    statement: &'static str,
    (seq, before): (u64, KeyId),
    seal: Seal,
) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(statement)
            .bind(seq as i64)
            .bind(i64::from(before.0))
            .bind(i64::from(seal.key.0))
            .bind(&seal.mac[..])
    )?;
    Ok(())
}

/// The same for what was erased.
pub async fn reseal_erasure(tx: &mut Tx, before: &Erased, seal: Seal) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(RESEAL_ERASURE)
            .bind(before.seq as i64)
            .bind(i64::from(before.erasure.seal.key.0))
            .bind(i64::from(seal.key.0))
            .bind(&seal.mac[..])
            .bind(before.erasure.fields.bits())
    )?;
    Ok(())
}
