//! Two databases behind one enum, and the macros that dispatch a statement to either. Not `sqlx::Any`: each
//! arm is typed, and each statement is one text for both.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _};

use crate::connections::{Connections, Lent};
use crate::error::{StoreError, is_busy};

/// How long any one piece of work with the database may take before it counts as unavailable.
pub(crate) const TIME_LIMIT: Duration = Duration::from_millis(1_800);
/// After this long without use a connection is asked whether it is still there.
pub(crate) const RESTED: Duration = Duration::from_millis(100);
/// SQLite: how long another process may hold a lock before we say 503.
pub(crate) const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait for a free connection.
pub(crate) const ACQUIRE_LIMIT: Duration = Duration::from_millis(1_200);

/// Where reads go, and where PostgreSQL's closures get their connections.
#[derive(Clone)]
pub(crate) enum Db {
    Sqlite { read: SqlitePool, options: SqliteConnectOptions },
    Postgres { connections: Connections, options: PgConnectOptions },
}

/// A connection on which a write runs, inside a transaction or (one statement) without.
pub enum Tx {
    /// The one connection that writes.
    #[doc(hidden)]
    Sqlite(SqliteConnection),
    /// One on loan.
    #[doc(hidden)]
    Postgres(Lent),
}

/// Runs `$body`, which only reads, with `$conn` bound to one of the connections behind `$connections`.
macro_rules! on_postgres {
    ($connections:expr, $conn:ident => $body:expr) => {
        $crate::db::within_limit(async {
            let mut lent = $connections.acquire().await?;
            lent.read_only();
            let $conn = &mut *lent;
            let result = $body.await.map_err($crate::error::StoreError::from);
            // A statement that was refused leaves the connection as good as it was.
            if !matches!(result, Err($crate::error::StoreError::Unavailable(_))) {
                lent.keep();
            }
            result
        })
        .await
    };
}

/// Runs `$body` with `$conn` bound to an executor of the database behind `$db` (a [`Db`]).
macro_rules! on {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { read, .. } => {
                let $conn = read;
                $crate::db::within_limit(async { $body.await }).await
            }
            $crate::db::Db::Postgres { connections, .. } => {
                $crate::db::on_postgres!(connections, $conn => $body)
            }
        }
    };
}

/// Runs `$body` with `$conn` bound to the connection behind `$tx` (a [`Tx`]).
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::db::Tx::Sqlite(connection) => {
                let $conn = &mut *connection;
                $body.await
            }
            $crate::db::Tx::Postgres(connection) => {
                let $conn = &mut **connection;
                $body.await
            }
        }
    };
}

/// Runs `$query` on the connection behind `$tx`: how many rows it changed.
macro_rules! affected {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::db::Tx::Sqlite(connection) => {
                $query.execute(&mut *connection).await.map(|done| done.rows_affected())
            }
            $crate::db::Tx::Postgres(connection) => {
                $query.execute(&mut **connection).await.map(|done| done.rows_affected())
            }
        }
    };
}

/// A struct whose fields are columns of the same names, readable from rows of both databases.
macro_rules! row {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($fvis:vis $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        $vis struct $name { $($fvis $field: $type),+ }
        row!(@impl $name, sqlx::sqlite::SqliteRow, $($field)+);
        row!(@impl $name, sqlx::postgres::PgRow, $($field)+);
    };
    (@impl $name:ident, $row:ty, $($field:ident)+) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),+ })
            }
        }
    };
}

pub(crate) use {affected, on, on_postgres, on_tx, row};

/// A read that hangs is an outage: its connection may be dead without anybody having said so.
pub(crate) async fn within_limit<T, E: Into<StoreError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(TIME_LIMIT, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(StoreError::timed_out()),
    }
}

/// How to connect.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// `sqlite://path` or `postgres://…`; may hold a password.
    pub url: String,
    /// Most connections of the pool; `None`: a default for the machine.
    pub max_connections: Option<u32>,
}

impl fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseOptions")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Prepares the pools. SQLite: creates the file if it is missing. PostgreSQL: connects once, so that a
    /// wrong URL stops the start.
    pub(crate) async fn open(options: &DatabaseOptions) -> Result<Self, StoreError> {
        let most = options.max_connections;
        if options.url.starts_with("sqlite:") {
            let options = sqlite_options(&options.url)?;
            // The first connection makes the file and its journal mode; read connections may not. Closing the
            // last one takes the file for itself for a moment, which must be over before the next one comes.
            connect_sqlite(&options).await?.close().await?;
            let read = SqlitePoolOptions::new()
                .max_connections(most.unwrap_or_else(readers))
                .acquire_timeout(ACQUIRE_LIMIT)
                .test_before_acquire(false)
                .idle_timeout(Duration::from_mins(1))
                .connect_lazy_with(options.clone().read_only(true));
            return Ok(Self::Sqlite { read, options });
        }
        let pg = PgConnectOptions::from_str(&options.url)
            .map_err(|error| StoreError::Unavailable(format!("database.url cannot be read: {error}")))?
            .application_name("portcullis")
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let connections = Connections::open(pg.clone(), most.unwrap_or(12)).await?;
        Ok(Self::Postgres { connections, options: pg })
    }

    /// The name of the database engine.
    pub(crate) const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }
}

/// Connects to an SQLite file, waiting while another process opens or closes it: changing to WAL takes a lock
/// for which the database's own patience does not wait.
pub(crate) async fn connect_sqlite(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let since = Instant::now();
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && since.elapsed() < BUSY_LIMIT => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done => return done,
        }
    }
}

/// Read connections to a file: each reads on one core, and keeps some megabytes of pages and statements of its own.
fn readers() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4) as u32)
}

fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| StoreError::Unavailable(format!("database.url cannot be read: {error}")))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Readers only ever wait for recovery after a crash; the writer has its own patience.
        .busy_timeout(Duration::from_secs(1))
        .statement_cache_capacity(256)
        // Readers take single rows by key; the writer asks for more, see there.
        .pragma("cache_size", "-1024")
        .pragma("journal_size_limit", "67108864")
        .optimize_on_close(false, None)
        .disable_statement_logging();
    Ok(options)
}
