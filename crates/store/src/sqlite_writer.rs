//! The one task that writes to SQLite. Everything that waits when it comes round goes into one commit:
//!
//! 1. rotations, folded into one statement; alone they need no transaction of their own;
//! 2. closures, each in a savepoint, so that one that fails takes nothing with it;
//! 3. COMMIT, and only then the answers. If the group is lost, all of it is told so.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::mpsc;

use crate::db::{BUSY_LIMIT, Tx, connect_sqlite};
use crate::error::{StoreError, is_busy};
use crate::rotate::{self, RotateJob};
use crate::session_rows::GrantRow;
use crate::writer::{Job, Ran, Work, control};

/// Most jobs in one commit.
const GROUP: usize = 512;
/// How often we look whether the lock is free again.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
/// After this long without a pause we leave one, so that another process gets the lock. The moments between two
/// groups under load are too short for somebody who looks once a millisecond.
const FAIR_AFTER: Duration = Duration::from_millis(100);

pub(crate) async fn start(
    options: &SqliteConnectOptions,
    receiver: mpsc::Receiver<Job>,
) -> Result<(), StoreError> {
    let tx = connect(options).await?;
    tokio::spawn(run(options.clone(), tx, receiver));
    Ok(())
}

async fn connect(options: &SqliteConnectOptions) -> Result<Tx, sqlx::Error> {
    let mut connection = connect_sqlite(options).await?;
    // From here on waiting is ours to do: the driver's would hold up its thread.
    sqlx::raw_sql("PRAGMA busy_timeout = 0; PRAGMA cache_size = -2048").execute(&mut connection).await?;
    Ok(Tx::Sqlite(connection))
}

async fn run(options: SqliteConnectOptions, mut tx: Tx, mut receiver: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(GROUP);
    let mut rotations: Vec<RotateJob> = Vec::new();
    let mut without_pause = Instant::now();
    loop {
        if rotations.is_empty() {
            let idle = Instant::now();
            if receiver.recv_many(&mut jobs, GROUP).await == 0 {
                return;
            }
            if idle.elapsed() > 2 * BUSY_PAUSE {
                without_pause = Instant::now();
            }
        } else {
            // What is left over waits for a batch of its own; nobody else has to wait for that.
            take_waiting(&mut receiver, &mut jobs, GROUP.saturating_sub(rotations.len()));
        }
        let mut works = Vec::new();
        for job in jobs.drain(..) {
            match job {
                Job::Rotate(job) => rotations.push(job),
                Job::Work(work) => works.push(work),
            }
        }
        let batch = rotate::take_batch(&mut rotations);
        let healthy = group(&mut tx, batch, works).await;
        if !healthy {
            tx = reconnect(&options, tx).await;
        }
        if without_pause.elapsed() > FAIR_AFTER {
            tokio::time::sleep(BUSY_PAUSE).await;
            without_pause = Instant::now();
        }
    }
}

/// Takes what is there already, at most `most`.
fn take_waiting(receiver: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>, most: usize) {
    while jobs.len() < most
        && let Ok(job) = receiver.try_recv()
    {
        jobs.push(job);
    }
}

/// Runs one group and answers it. `false`: the connection is in an unknown state.
async fn group(tx: &mut Tx, batch: Vec<RotateJob>, mut works: Vec<Box<dyn Work>>) -> bool {
    if works.is_empty() {
        return match fold(tx, &batch).await {
            Ok(rows) => {
                rotate::answer(batch, rows);
                true
            }
            Err(error) => {
                rotate::fail(batch, &error);
                false
            }
        };
    }
    let alone = batch.is_empty() && works.len() == 1;
    let outcome =
        if alone { by_itself(tx, &mut *works[0]).await } else { together(tx, &batch, &mut works).await };
    let result = |outcome: &Result<Vec<GrantRow>, StoreError>| match outcome {
        Ok(_) => Ok(()),
        Err(error) => Err(error.repeated()),
    };
    for work in works {
        work.finish(result(&outcome));
    }
    match outcome {
        Ok(rows) => {
            rotate::answer(batch, rows);
            true
        }
        Err(error) => {
            rotate::fail(batch, &error);
            // A transaction that is still open must not swallow the next group.
            control(tx, "ROLLBACK").await.is_ok()
        }
    }
}

/// One piece of work with nothing beside it needs no savepoint.
async fn by_itself(tx: &mut Tx, work: &mut dyn Work) -> Result<Vec<GrantRow>, StoreError> {
    begin(tx).await?;
    if work.run(tx).await == Ran::Keep {
        control(tx, "COMMIT").await?;
    } else {
        control(tx, "ROLLBACK").await?;
    }
    Ok(Vec::new())
}

async fn begin(tx: &mut Tx) -> Result<(), StoreError> {
    let patience = Patience(Instant::now());
    while let Err(error) = sqlx::raw_sql("BEGIN IMMEDIATE").execute(connection(tx)).await {
        patience.wait(error).await?;
    }
    Ok(())
}

async fn together(
    tx: &mut Tx,
    batch: &[RotateJob],
    works: &mut [Box<dyn Work>],
) -> Result<Vec<GrantRow>, StoreError> {
    begin(tx).await?;
    let rows = if batch.is_empty() { Vec::new() } else { fold(tx, batch).await? };
    // Statements alone share one savepoint, which tells whether an error has ended the whole transaction.
    let statements = works.iter().any(|work| work.is_one_statement());
    if statements {
        control(tx, "SAVEPOINT statements").await?;
    }
    for work in works {
        if work.is_one_statement() {
            if work.run(tx).await != Ran::Keep {
                control(tx, "RELEASE statements").await?;
                control(tx, "SAVEPOINT statements").await?;
            }
            continue;
        }
        control(tx, "SAVEPOINT work").await?;
        if work.run(tx).await == Ran::Keep {
            control(tx, "RELEASE work").await?;
        } else {
            // Fails if the error has ended the whole transaction: then the group is lost, and told so.
            control(tx, "ROLLBACK TO work").await?;
            control(tx, "RELEASE work").await?;
        }
    }
    control(tx, "COMMIT").await?;
    Ok(rows)
}

async fn fold(tx: &mut Tx, batch: &[RotateJob]) -> Result<Vec<GrantRow>, StoreError> {
    let patience = Patience(Instant::now());
    let json = rotate::to_json(batch);
    loop {
        match sqlx::query_as(rotate::SQLITE).bind(&json).fetch_all(connection(tx)).await {
            Ok(rows) => return Ok(rows),
            Err(error) => patience.wait(error).await?,
        }
    }
}

/// Since when we have been trying.
struct Patience(Instant);

impl Patience {
    /// Waits a moment if `error` says that another process holds the lock, and we have not waited too long.
    async fn wait(&self, error: sqlx::Error) -> Result<(), StoreError> {
        if !is_busy(&error) || self.0.elapsed() > BUSY_LIMIT {
            return Err(error.into());
        }
        tokio::time::sleep(BUSY_PAUSE).await;
        Ok(())
    }
}

fn connection(tx: &mut Tx) -> &mut SqliteConnection {
    match tx {
        Tx::Sqlite(connection) => connection,
        Tx::Postgres(_) => unreachable!("the SQLite writer holds a SQLite connection"),
    }
}

/// A new connection in place of one that is broken; the old one stays if none can be had yet.
async fn reconnect(options: &SqliteConnectOptions, old: Tx) -> Tx {
    match connect(options).await {
        Ok(tx) => tx,
        Err(error) => {
            tracing::error!(%error, "the database file cannot be opened again; still trying");
            tokio::time::sleep(Duration::from_millis(100)).await;
            old
        }
    }
}
