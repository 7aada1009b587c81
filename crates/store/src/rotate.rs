//! The hot write: rotating a refresh token. What waits while a batch is under way makes the next batch, and a
//! batch is **one** multi-row UPDATE whose guard stands in the WHERE. Who is not in RETURNING lost.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use portcullis_core::session::{Carrier, Grant};
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
    /// Where it came from: an address that was parsed.
    pub address: String,
    /// What the device calls itself.
    pub device: String,
    /// How it came: only a session whose tokens travel so rotates.
    pub carrier: Carrier,
    /// Most rotations a minute.
    pub most: i64,
}

/// What the row says after the rotation.
pub(crate) type Rotated = Grant;

pub(crate) struct RotateJob {
    pub(crate) command: Rotate,
    pub(crate) reply: oneshot::Sender<Result<Option<Rotated>, StoreError>>,
    /// Who presented the very same token meanwhile: at most one of them all can win, and that is this one.
    also: Vec<oneshot::Sender<Result<Option<Rotated>, StoreError>>>,
}

impl RotateJob {
    pub(crate) const fn new(
        command: Rotate,
        reply: oneshot::Sender<Result<Option<Rotated>, StoreError>>,
    ) -> Self {
        Self { command, reply, also: Vec::new() }
    }

    fn is_same_token(&self, other: &Self) -> bool {
        let (one, two) = (&self.command, &other.command);
        one.session == two.session && one.generation == two.generation && one.secret_hash == two.secret_hash
    }
}

/// How a session's tokens travel, as [`carrier_code`] says it.
macro_rules! carrier {
    () => {
        "(CASE WHEN sessions.delivery = 'body' THEN 0 WHEN sessions.acting <> 'bot' THEN 2 ELSE 1 END)"
    };
}
pub(crate) use carrier;

/// A number, as both databases take it in a batch.
pub(crate) const fn carrier_code(carrier: Carrier) -> i64 {
    match carrier {
        Carrier::Body => 0,
        Carrier::Cookie => 1,
        Carrier::ActingCookie => 2,
    }
}

/// What both databases share of the statement. Each puts its own form of the batch before and behind it.
macro_rules! rotate_statement {
    ($batch:literal) => {
        concat!(
            "UPDATE sessions SET generation = p.generation + 1, key_id = p.key_id, rotated_at = p.now, \
             idle_ends_at = p.idle_ends_at, address = p.address, device = p.device, \
             window_at = CASE WHEN sessions.window_at + 60000000 <= p.now THEN p.now \
                              ELSE sessions.window_at END, \
             window_count = CASE WHEN sessions.window_at + 60000000 <= p.now THEN 1 \
                                 ELSE sessions.window_count + 1 END \
             FROM ",
            $batch,
            " WHERE sessions.id = p.id AND sessions.generation = p.generation \
             AND sessions.secret_hash = p.secret_hash AND sessions.ended_at IS NULL \
             AND ",
            carrier!(),
            " = p.carrier \
             AND sessions.idle_ends_at > p.now AND sessions.ends_at > p.now \
             AND (sessions.window_count < p.most OR sessions.window_at + 60000000 <= p.now) \
             RETURNING sessions.id, sessions.user_id, sessions.generation, sessions.role, \
             sessions.account_id, sessions.account_role, sessions.must_change_password, \
             sessions.methods, sessions.authenticated_at, sessions.delivery, \
             sessions.ends_at, sessions.acting, sessions.actor_id, sessions.status_index, sessions.factors"
        )
    };
}

pub(crate) const SQLITE: &str = rotate_statement!(
    "(SELECT unhex(value ->> 0) AS id, unhex(value ->> 1) AS secret_hash, value ->> 2 AS generation, \
      value ->> 3 AS key_id, value ->> 4 AS now, value ->> 5 AS idle_ends_at, value ->> 6 AS address, \
      value ->> 7 AS most, value ->> 8 AS device, value ->> 9 AS carrier FROM json_each($1)) AS p"
);

pub(crate) const POSTGRES: &str = rotate_statement!(
    "unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], \
      $8::bigint[], $9::text[], $10::bigint[]) \
      AS p(id, secret_hash, generation, key_id, now, idle_ends_at, address, most, device, carrier)"
);

/// The batch as the JSON that [`SQLITE`] takes.
pub(crate) fn to_json(jobs: &[RotateJob]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(jobs.len() * 320 + 2);
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
        let Rotate { generation, key_id, now, idle_ends_at, most, .. } = command;
        let carrier = carrier_code(command.carrier);
        // What a caller words: unescaped, it could speak for its neighbours in the batch.
        let address = serde_json::Value::from(command.address.as_str());
        let device = serde_json::Value::from(command.device.as_str());
        let _ =
            write!(out, "\",{generation},{key_id},{now},{idle_ends_at},{address},{most},{device},{carrier}]");
    }
    out.push(']');
    out
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Hands each caller its row, or the news that it lost.
pub(crate) fn answer(jobs: Vec<RotateJob>, rows: Vec<GrantRow>) {
    let mut rows: HashMap<Uuid, GrantRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    for job in jobs {
        let row = rows.remove(&job.command.session);
        for reply in job.also {
            let _ = reply.send(Ok(None));
        }
        let _ = job.reply.send(row.map(Grant::try_from).transpose());
    }
}

/// Tells each caller that nothing is known of its rotation.
pub(crate) fn fail(jobs: Vec<RotateJob>, error: &StoreError) {
    for job in jobs {
        for reply in job.also.into_iter().chain([job.reply]) {
            let _ = reply.send(Err(error.repeated()));
        }
    }
}

/// Takes from `waiting` what may stand in one batch: each session once, because one statement changes a row
/// once only. The same token again is answered with it; another one of the same session waits for the next batch.
pub(crate) fn take_batch(waiting: &mut Vec<RotateJob>) -> Vec<RotateJob> {
    let mut places = HashMap::with_capacity(waiting.len());
    let mut batch: Vec<RotateJob> = Vec::with_capacity(waiting.len().min(BATCH));
    let mut rest = Vec::new();
    for job in waiting.drain(..) {
        match places.entry(job.command.session) {
            Entry::Vacant(place) if batch.len() < BATCH => {
                place.insert(batch.len());
                batch.push(job);
            }
            Entry::Occupied(place) if batch[*place.get()].is_same_token(&job) => {
                batch[*place.get()].also.push(job.reply);
            }
            _ => rest.push(job),
        }
    }
    *waiting = rest;
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<Option<Rotated>, StoreError>>;

    fn job(session: u128, generation: i64) -> (RotateJob, Answer) {
        let (reply, answer) = oneshot::channel();
        let command = Rotate {
            session: Uuid::from_u128(session),
            generation,
            secret_hash: [0; 32],
            key_id: 0,
            now: 0,
            idle_ends_at: 0,
            address: String::new(),
            device: String::new(),
            carrier: Carrier::Body,
            most: 1,
        };
        (RotateJob::new(command, reply), answer)
    }

    fn names(jobs: &[RotateJob]) -> Vec<(u128, i64)> {
        jobs.iter().map(|job| (job.command.session.as_u128(), job.command.generation)).collect()
    }

    #[test]
    fn a_session_stands_once_in_a_batch() {
        let (mut waiting, _answers): (Vec<_>, Vec<_>) =
            [job(1, 1), job(2, 1), job(1, 2), job(1, 1)].into_iter().unzip();
        assert_eq!(names(&take_batch(&mut waiting)), [(1, 1), (2, 1)]);
        assert_eq!(names(&waiting), [(1, 2)], "the same token again goes with the first");
        assert_eq!(names(&take_batch(&mut waiting)), [(1, 2)]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_batch_has_an_end() {
        let (mut waiting, _answers): (Vec<_>, Vec<_>) =
            (0..=BATCH as u128).map(|session| job(session, 1)).unzip();
        assert_eq!(take_batch(&mut waiting).len(), BATCH);
        assert_eq!(names(&waiting), [(BATCH as u128, 1)]);
    }

    #[test]
    fn who_has_no_row_lost_and_an_outage_is_told_to_all() {
        let (mut waiting, mut answers): (Vec<_>, Vec<_>) = [job(1, 1), job(1, 1)].into_iter().unzip();
        answer(take_batch(&mut waiting), Vec::new());
        for answer in &mut answers {
            assert!(answer.try_recv().expect("answered").expect("no fault").is_none());
        }
        let (mut waiting, mut answers): (Vec<_>, Vec<_>) = [job(1, 1), job(1, 1)].into_iter().unzip();
        fail(take_batch(&mut waiting), &StoreError::timed_out());
        for answer in &mut answers {
            assert!(matches!(answer.try_recv().expect("answered"), Err(StoreError::Unavailable(_))));
        }
    }
}
