//! The task that rotates on PostgreSQL: one connection of its own, running one folded statement after the other, in
//! autocommit. A second connection would halve the batches and so cost more than it gains: measured beside the rest
//! of a refresh on two cores, one does 8 % more. Ids are sorted, so that the batches of two nodes never wait for
//! each other in a circle.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection as _};
use tokio::sync::mpsc;

use crate::db::{RESTED, TIME_LIMIT};
use crate::error::StoreError;
use crate::rotate::{self, BATCH, RotateJob};
use crate::session_rows::GrantRow;
use crate::writer::LET_PASS;

type Source = mpsc::Receiver<RotateJob>;

/// The rows are always found by their key, in the order of the batch: no planner's guess about a table that has
/// grown since its last ANALYZE may turn that into a scan. Of all ways to read the table only the bitmap cannot
/// do without a key: a plain index scan of all of it looks cheap to a planner who takes the table for empty.
pub(crate) const PLANNER: [(&str, &str); 7] = [
    ("enable_seqscan", "off"),
    ("enable_indexscan", "off"),
    ("enable_indexonlyscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

pub(crate) fn start(options: &PgConnectOptions, receiver: mpsc::Receiver<RotateJob>) {
    tokio::spawn(run(options.clone().options(PLANNER), receiver));
}

async fn run(options: PgConnectOptions, mut source: Source) {
    let mut connection = None;
    let mut rotations = Vec::new();
    loop {
        let idle = Instant::now();
        if !take(&mut source, &mut rotations).await {
            return;
        }
        let rested = idle.elapsed() >= RESTED;
        let mut batch = rotate::take_batch(&mut rotations);
        batch.sort_unstable_by_key(|job| job.command.session);
        let work = async {
            if rested {
                drop_if_dead(&mut connection).await;
            }
            fold(&options, &mut connection, &batch).await
        };
        match tokio::time::timeout(TIME_LIMIT, work).await {
            Ok(Ok(rows)) => rotate::answer(batch, rows),
            Ok(Err(error)) => {
                connection = None;
                rotate::fail(batch, &error);
            }
            Err(_) => {
                // Nothing is known of this connection any more, nor of what it was doing.
                connection = None;
                rotate::fail(batch, &StoreError::timed_out());
            }
        }
        if connection.is_none() {
            // While the database is away, do not hammer it; callers are told at once all the same.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits for rotations if none are left over, else adds what is there already; `false`: there will be no more.
async fn take(source: &mut Source, rotations: &mut Vec<RotateJob>) -> bool {
    if rotations.is_empty() {
        return source.recv_many(rotations, BATCH).await > 0;
    }
    // What is left over waits for a batch of its own; nobody else has to wait for that.
    while rotations.len() < BATCH
        && let Ok(job) = source.try_recv()
    {
        rotations.push(job);
    }
    true
}

/// A connection that has rested may have died with a restarted server. Only before a batch is it safe to find
/// out: afterwards nobody knows what it has done.
async fn drop_if_dead(connection: &mut Option<PgConnection>) {
    if let Some(rested) = connection
        && rested.ping().await.is_err()
    {
        *connection = None;
    }
}

/// One batch; again if it and another write kept each other from going on, which has changed nothing.
async fn fold(
    options: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    batch: &[RotateJob],
) -> Result<Vec<GrantRow>, StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(options.connect().await?),
    };
    loop {
        match update(connection, batch).await.map_err(StoreError::from) {
            Err(StoreError::RunAgain) => tokio::time::sleep(LET_PASS).await,
            done => return done,
        }
    }
}

async fn update(connection: &mut PgConnection, batch: &[RotateJob]) -> Result<Vec<GrantRow>, sqlx::Error> {
    macro_rules! column {
        ($field:ident) => {
            batch.iter().map(|job| job.command.$field).collect::<Vec<_>>()
        };
    }
    let hashes: Vec<&[u8]> = batch.iter().map(|job| &job.command.secret_hash[..]).collect();
    let addresses: Vec<&str> = batch.iter().map(|job| job.command.address.as_str()).collect();
    let devices: Vec<&str> = batch.iter().map(|job| job.command.device.as_str()).collect();
    let carriers: Vec<i64> = batch.iter().map(|job| rotate::carrier_code(job.command.carrier)).collect();
    sqlx::query_as(rotate::POSTGRES)
        .bind(column!(session))
        .bind(hashes)
        .bind(column!(generation))
        .bind(column!(key_id))
        .bind(column!(now))
        .bind(column!(idle_ends_at))
        .bind(addresses)
        .bind(column!(most))
        .bind(devices)
        .bind(carriers)
        .fetch_all(connection)
        .await
}
