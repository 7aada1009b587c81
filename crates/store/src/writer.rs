//! Writes. Everything that changes the database goes through [`Writer`]:
//!
//! - rotations are typed commands, folded into one statement a batch (see [`crate::rotate`]);
//! - all else is a closure. On SQLite one task runs many closures under one commit (group commit), on
//!   PostgreSQL each has a transaction of its own.
//!
//! Nothing is answered before its commit. Work runs in spawned tasks, so that a caller who goes away (a client
//! that disconnects drops its handler) never leaves a transaction half open.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::connections::Connections;
use crate::db::{Db, TIME_LIMIT, Tx, affected};
use crate::error::StoreError;
use crate::rotate::{Rotate, RotateJob, Rotated};
use crate::{postgres_rotator, sqlite_writer};

/// Most jobs that wait for a writer; beyond it callers wait, and then are told 503.
pub(crate) const QUEUE: usize = 4_096;
/// SQLite: how long another process may hold the lock (5 s), and a little more.
const SQLITE_LIMIT: Duration = Duration::from_secs(6);
/// PostgreSQL: how often work is run again after a deadlock or serialization failure.
const RUNS: usize = 4;

/// PostgreSQL answers COMMIT with "done" even where a statement has failed and the work went on as if nothing
/// were wrong, and then nothing is kept. The SELECT fails in that case.
const COMMIT: &str = "SELECT 1; COMMIT";

/// Before work is run again: whoever it was in the way of goes first, or both would meet again.
pub(crate) const LET_PASS: Duration = Duration::from_millis(10);

/// A closure for the SQLite writer, its types erased.
pub(crate) trait Work: Send {
    /// It is one statement, which undoes itself if it fails: it needs no savepoint.
    fn is_one_statement(&self) -> bool;
    /// Runs once (or again). `true`: keep what it did; `false`: undo it.
    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> BoxFuture<'c, bool>;
    /// Answers the caller, after the commit.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

/// How far a piece of work reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Several statements, all or none.
    Transaction,
    /// One statement.
    Statement,
}

/// What the SQLite writer takes.
pub(crate) enum Job {
    Rotate(RotateJob),
    Work(Box<dyn Work>),
}

/// The way to write.
pub(crate) enum Writer {
    Sqlite(mpsc::Sender<Job>),
    Postgres { rotate: mpsc::Sender<RotateJob>, connections: Connections },
}

impl Writer {
    pub(crate) async fn start(db: &Db) -> Result<Self, StoreError> {
        match db {
            Db::Sqlite { options, .. } => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                sqlite_writer::start(options, receiver).await?;
                Ok(Self::Sqlite(sender))
            }
            Db::Postgres { connections, options } => {
                let (rotate, receiver) = mpsc::channel(QUEUE);
                postgres_rotator::start(options, receiver);
                Ok(Self::Postgres { rotate, connections: connections.clone() })
            }
        }
    }

    /// Rotates, or tells that the guard refused (`None`).
    pub(crate) async fn rotate(&self, command: Rotate) -> Result<Option<Rotated>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = RotateJob::new(command, reply);
        match self {
            Self::Sqlite(sender) => answered(SQLITE_LIMIT, sender.send(Job::Rotate(job)), answer).await,
            Self::Postgres { rotate, .. } => answered(TIME_LIMIT, rotate.send(job), answer).await,
        }
    }

    /// Runs `work` in a transaction. `Ok` commits, also for a refusal that must persist; `Err` rolls back.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync + 'static,
    {
        self.run(Extent::Transaction, work).await
    }

    /// Runs `work`, which is one statement: on PostgreSQL in one round trip, without a transaction around it.
    pub(crate) async fn write_one<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync + 'static,
    {
        self.run(Extent::Statement, work).await
    }

    async fn run<T, F>(&self, extent: Extent, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match self {
            Self::Sqlite(sender) => {
                let (reply, answer) = oneshot::channel();
                let job = Job::Work(Box::new(Closure { work, extent, result: None, reply }));
                answered(SQLITE_LIMIT, sender.send(job), answer).await
            }
            Self::Postgres { connections, .. } => {
                let connections = connections.clone();
                let task = tokio::spawn(async move { on_postgres(&connections, extent, &work).await });
                // The task goes on by itself and ends its transaction; the caller is told in time.
                match tokio::time::timeout(TIME_LIMIT, task).await {
                    Ok(result) => result.unwrap_or_else(|_| Err(panicked())),
                    Err(_) => Err(StoreError::timed_out()),
                }
            }
        }
    }
}

/// Sends a job and waits for its answer, both within `limit`.
pub(crate) async fn answered<T>(
    limit: Duration,
    send: impl Future<Output = Result<(), impl Sized>>,
    answer: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let stopped = || StoreError::Unavailable("the writer has stopped".into());
    let work = async {
        send.await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(StoreError::timed_out()))
}

/// What it said may hold anything, a secret included; the panic hook has its own place for it.
fn panicked() -> StoreError {
    StoreError::Statement("a write panicked".into())
}

/// A closure with its result, waiting for the commit.
struct Closure<T, F> {
    work: F,
    extent: Extent,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Closure<T, F>
where
    T: Send,
    F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync,
{
    fn is_one_statement(&self) -> bool {
        self.extent == Extent::Statement
    }

    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            // One task writes for all: a panic in one caller's work is an error of that caller.
            let work = AssertUnwindSafe(async { (self.work)(tx).await }).catch_unwind().await;
            let result = work.unwrap_or_else(|_| Err(panicked()));
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let result = match (commit, self.result) {
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(StoreError::Statement("a write was never run".into())),
            // An error of the closure's own tells more than the fate of its group.
            (_, Some(Err(error))) | (Err(error), _) => Err(error),
        };
        // A caller who has gone away needs no answer.
        let _ = self.reply.send(result);
    }
}

/// A connection is kept only if its transaction has ended cleanly. Anything else (a panic, the time limit, a failed
/// rollback) closes it, so that nobody inherits a transaction half done.
async fn on_postgres<T, F>(connections: &Connections, extent: Extent, work: &F) -> Result<T, StoreError>
where
    F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>>,
{
    let mut run = 1;
    loop {
        let mut tx = Tx::Postgres(connections.acquire().await?);
        let attempt = tokio::time::timeout(TIME_LIMIT, attempt(&mut tx, extent, work)).await;
        let (result, clean) = attempt.unwrap_or_else(|_| (Err(StoreError::timed_out()), false));
        if let (true, Tx::Postgres(lent)) = (clean, &mut tx) {
            lent.keep();
        }
        match result {
            Err(StoreError::RunAgain) if run < RUNS => {
                run += 1;
                drop(tx);
                tokio::time::sleep(LET_PASS).await;
            }
            result => return result,
        }
    }
}

/// The result of `work`, and whether the transaction has ended cleanly.
async fn attempt<T, F>(tx: &mut Tx, extent: Extent, work: &F) -> (Result<T, StoreError>, bool)
where
    F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>>,
{
    if extent == Extent::Statement {
        let result = work(tx).await;
        let clean = result.is_ok();
        return (result, clean);
    }
    if let Err(error) = control(tx, "BEGIN").await {
        return (Err(error), false);
    }
    match work(tx).await {
        Ok(value) => match control(tx, COMMIT).await {
            Ok(()) => (Ok(value), true),
            Err(error) => (Err(error), false),
        },
        Err(error) => (Err(error), control(tx, "ROLLBACK").await.is_ok()),
    }
}

/// One statement that steers the transaction.
pub(crate) async fn control(tx: &mut Tx, statement: &'static str) -> Result<(), StoreError> {
    affected!(tx, sqlx::raw_sql(statement)).map(drop).map_err(StoreError::from)
}
