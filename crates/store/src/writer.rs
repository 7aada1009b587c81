//! Writes. Everything that changes the database goes through [`Writer`]:
//!
//! - rotations are typed commands, folded into one statement a batch (see [`crate::rotate`]);
//! - all else is a closure. On SQLite one task runs many closures under one commit (group commit), on
//!   PostgreSQL each has a transaction of its own.
//!
//! Nothing is answered before its commit. Work runs in spawned tasks, so that a caller who goes away (a client
//! that disconnects drops its handler) never leaves a transaction half open.

use std::convert::Infallible;
use std::future::ready;
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

/// A closure with its types erased: what runs it is compiled once, not once for each.
pub(crate) trait Work: Send {
    /// It is one statement, which undoes itself if it fails: it needs no savepoint.
    fn is_one_statement(&self) -> bool;
    /// Runs once (or again).
    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> BoxFuture<'c, Ran>;
    /// Answers the caller, after the commit.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

/// What is to be done after work has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Keep what it did.
    Keep,
    /// Undo it.
    Undo,
    /// Undo it, and run it again: it was in another's way (PostgreSQL).
    Again,
    /// It panicked, perhaps in the middle of a statement.
    Panicked,
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
        let (reply, answer) = oneshot::channel();
        let work = Box::new(Closure { work, extent, result: None, reply });
        match self {
            Self::Sqlite(sender) => answered(SQLITE_LIMIT, sender.send(Job::Work(work)), answer).await,
            Self::Postgres { connections, .. } => {
                // The task goes on by itself and ends its transaction; the caller is told in time.
                tokio::spawn(on_postgres(connections.clone(), work));
                answered(TIME_LIMIT, ready(Ok::<_, Infallible>(())), answer).await
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

    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> BoxFuture<'c, Ran> {
        Box::pin(async move {
            self.result = None;
            // One task writes for all: a panic in one caller's work is an error of that caller.
            let work = AssertUnwindSafe(async { (self.work)(tx).await }).catch_unwind().await;
            let (ran, result) = match work {
                Ok(Ok(value)) => (Ran::Keep, Ok(value)),
                Ok(Err(error @ StoreError::RunAgain)) => (Ran::Again, Err(error)),
                Ok(Err(error)) => (Ran::Undo, Err(error)),
                Err(_) => (Ran::Panicked, Err(panicked())),
            };
            self.result = Some(result);
            ran
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
async fn on_postgres(connections: Connections, mut work: Box<dyn Work>) {
    let mut run = 1;
    let commit = loop {
        let mut tx = match connections.acquire().await {
            Ok(lent) => Tx::Postgres(lent),
            Err(error) => break Err(error),
        };
        let attempt = tokio::time::timeout(TIME_LIMIT, attempt(&mut tx, &mut *work)).await;
        let Attempt { outcome, is_clean } =
            attempt.unwrap_or_else(|_| Attempt::broken(StoreError::timed_out()));
        if let (true, Tx::Postgres(lent)) = (is_clean, &mut tx) {
            lent.keep();
        }
        match outcome {
            Ok(Ran::Again) | Err(StoreError::RunAgain) if run < RUNS => {
                run += 1;
                drop(tx);
                tokio::time::sleep(LET_PASS).await;
            }
            outcome => break outcome.map(drop),
        }
    };
    work.finish(commit);
}

/// How one run of work on PostgreSQL ended.
struct Attempt {
    /// What the work itself came to, or what failed around it.
    outcome: Result<Ran, StoreError>,
    /// The transaction has ended, and the connection is as good as it was.
    is_clean: bool,
}

impl Attempt {
    fn broken(error: StoreError) -> Self {
        Self { outcome: Err(error), is_clean: false }
    }
}

async fn attempt(tx: &mut Tx, work: &mut dyn Work) -> Attempt {
    if work.is_one_statement() {
        let ran = work.run(tx).await;
        return Attempt { outcome: Ok(ran), is_clean: ran == Ran::Keep };
    }
    if let Err(error) = control(tx, "BEGIN").await {
        return Attempt::broken(error);
    }
    match work.run(tx).await {
        Ran::Keep => match control(tx, COMMIT).await {
            Ok(()) => Attempt { outcome: Ok(Ran::Keep), is_clean: true },
            Err(error) => Attempt::broken(error),
        },
        Ran::Panicked => Attempt { outcome: Ok(Ran::Panicked), is_clean: false },
        ran => Attempt { outcome: Ok(ran), is_clean: control(tx, "ROLLBACK").await.is_ok() },
    }
}

/// One statement that steers the transaction.
pub(crate) async fn control(tx: &mut Tx, statement: &'static str) -> Result<(), StoreError> {
    affected!(tx, sqlx::raw_sql(statement)).map(drop).map_err(StoreError::from)
}
