//! The hot write: rotating a refresh token. What waits while a batch is under way makes the next batch, and a
//! batch is **one** multi-row UPDATE whose guard stands in the WHERE. Who is not in RETURNING lost.

use portcullis_core::session::Grant;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::StoreError;
use crate::session_rows::GrantRow;

/// Most rotations in one statement.
pub(crate) const BATCH: usize = 256;

/// One refresh token that wants to become the next.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// The session.
    pub session: Uuid,
    /// The generation presented; only an equal one in the row rotates.
    pub generation: i64,
    /// SHA-256 of the secret presented.
    pub secret_hash: [u8; 32],
    /// Server key under which the successor will be made.
    pub key_id: i64,
    /// Now, in microseconds.
    pub now: i64,
    /// Idle end after this rotation, in microseconds.
    pub idle_ends_at: i64,
    /// Where it came from.
    pub address: String,
    /// Most rotations a minute.
    pub most: i64,
}

/// What the row says after the rotation.
pub(crate) type Rotated = Grant;

pub(crate) struct RotateJob {
    pub(crate) command: Rotate,
    pub(crate) reply: oneshot::Sender<Result<Option<Rotated>, StoreError>>,
}

/// What both databases share of the statement. Each puts its own form of the batch before and behind it.
macro_rules! rotate_statement {
    ($batch:literal) => {
        concat!(
            "UPDATE sessions SET generation = p.generation + 1, key_id = p.key_id, rotated_at = p.now, \
             idle_ends_at = p.idle_ends_at, address = p.address, \
             window_at = CASE WHEN sessions.window_at + 60000000 <= p.now THEN p.now \
                              ELSE sessions.window_at END, \
             window_count = CASE WHEN sessions.window_at + 60000000 <= p.now THEN 1 \
                                 ELSE sessions.window_count + 1 END \
             FROM ",
            $batch,
            " WHERE sessions.id = p.id AND sessions.generation = p.generation \
             AND sessions.secret_hash = p.secret_hash AND sessions.ended_at IS NULL \
             AND sessions.idle_ends_at > p.now AND sessions.ends_at > p.now \
             AND (sessions.window_count < p.most OR sessions.window_at + 60000000 <= p.now) \
             RETURNING sessions.id, sessions.user_id, sessions.generation, sessions.role, \
             sessions.account_id, sessions.account_role, sessions.must_change_password, \
             sessions.user_version, sessions.methods, sessions.authenticated_at, sessions.delivery, \
             sessions.ends_at"
        )
    };
}

pub(crate) const SQLITE: &str = rotate_statement!(
    "(SELECT unhex(value ->> 0) AS id, unhex(value ->> 1) AS secret_hash, value ->> 2 AS generation, \
      value ->> 3 AS key_id, value ->> 4 AS now, value ->> 5 AS idle_ends_at, value ->> 6 AS address, \
      value ->> 7 AS most FROM json_each($1)) AS p"
);

pub(crate) const POSTGRES: &str = rotate_statement!(
    "unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], \
      $8::bigint[]) AS p(id, secret_hash, generation, key_id, now, idle_ends_at, address, most)"
);

/// The batch as the JSON that [`SQLITE`] takes.
pub(crate) fn to_json(jobs: &[RotateJob]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(jobs.len() * 224 + 2);
    out.push('[');
    for (at, RotateJob { command, .. }) in jobs.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let _ = write!(out, "[\"{}\",\"", command.session.as_simple());
        for byte in command.secret_hash {
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        // The address is one that was parsed: it holds no character that JSON would have to escape.
        let Rotate { generation, key_id, now, idle_ends_at, address, most, .. } = command;
        let _ = write!(out, "\",{generation},{key_id},{now},{idle_ends_at},\"{address}\",{most}]");
    }
    out.push(']');
    out
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Hands each caller its row, or the news that it lost.
pub(crate) fn answer(jobs: Vec<RotateJob>, rows: Vec<GrantRow>) {
    let mut rows: std::collections::HashMap<Uuid, GrantRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    for job in jobs {
        let result = rows.remove(&job.command.session).map(Grant::try_from).transpose();
        let _ = job.reply.send(result);
    }
}

/// Tells each caller that nothing is known of its rotation.
pub(crate) fn fail(jobs: Vec<RotateJob>, error: &StoreError) {
    for job in jobs {
        let _ = job.reply.send(Err(error.repeated()));
    }
}

/// Takes from `waiting` what may stand in one batch: each session once. The rest waits for the next batch,
/// because one statement changes a row once only.
pub(crate) fn take_batch(waiting: &mut Vec<RotateJob>) -> Vec<RotateJob> {
    let mut seen = std::collections::HashSet::with_capacity(waiting.len());
    let mut batch = Vec::with_capacity(waiting.len().min(BATCH));
    let mut rest = Vec::new();
    for job in waiting.drain(..) {
        if batch.len() < BATCH && seen.insert(job.command.session) {
            batch.push(job);
        } else {
            rest.push(job);
        }
    }
    *waiting = rest;
    batch
}
