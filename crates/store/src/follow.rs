//! Following what other nodes write: SQLite's `PRAGMA data_version` every 100 ms, PostgreSQL's LISTEN *and* a
//! poll every 500 ms. What this node writes it need not wait for: [`Store::nudge`].

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::Notify;

use crate::Store;
use crate::db::Db;
use crate::dialect::CHANNEL;
use crate::error::StoreError;

const SQLITE_PAUSE: Duration = Duration::from_millis(100);
/// At the latest after this long it is worth a look, whatever was heard.
const POLL: Duration = Duration::from_millis(500);

/// Tells when it is worth looking.
pub struct Follower(Source);

enum Source {
    Sqlite { nudged: Arc<Notify>, connection: SqliteConnection, version: i64 },
    Postgres { heard: Arc<Notify>, task: tokio::task::JoinHandle<()> },
}

impl Store {
    /// Starts to follow.
    pub async fn follow(&self) -> Result<Follower, StoreError> {
        let source = match &self.db {
            Db::Sqlite { options, .. } => sqlite(options, self.nudged.clone()).await?,
            Db::Postgres { options, .. } => {
                let heard = self.nudged.clone();
                let task = tokio::spawn(listen(options.clone(), heard.clone()));
                Source::Postgres { heard, task }
            }
        };
        Ok(Follower(source))
    }

    /// Lets this node's follower look now, after a commit of our own: it need not be heard of first.
    pub fn nudge(&self) {
        self.nudged.notify_one();
    }
}

impl Follower {
    /// Returns when something may have changed, at the latest after half a second; whether it was heard of
    /// (`true`) or is only worth a look (`false`).
    pub async fn next(&mut self) -> bool {
        match &mut self.0 {
            Source::Postgres { heard, .. } => tokio::time::timeout(POLL, heard.notified()).await.is_ok(),
            Source::Sqlite { nudged, connection, version } => {
                for _ in 0..POLL.as_millis() / SQLITE_PAUSE.as_millis() {
                    if tokio::time::timeout(SQLITE_PAUSE, nudged.notified()).await.is_ok() {
                        return true;
                    }
                    // An error here is one of the look that follows, too.
                    let seen = data_version(connection).await.unwrap_or(*version);
                    if seen != *version {
                        *version = seen;
                        return true;
                    }
                }
                false
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Source::Postgres { task, .. } = &self.0 {
            task.abort();
        }
    }
}

async fn sqlite(options: &SqliteConnectOptions, nudged: Arc<Notify>) -> Result<Source, StoreError> {
    let mut connection = options.clone().read_only(true).connect().await?;
    let version = data_version(&mut connection).await?;
    Ok(Source::Sqlite { nudged, connection, version })
}

/// Changes whenever another connection, of this process or another, has committed.
async fn data_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await
}

/// Passes notifications on, over a connection of its own; without one, the poll goes on alone.
async fn listen(options: PgConnectOptions, heard: Arc<Notify>) {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(POLL).connect_lazy_with(options);
    loop {
        if let Err(error) = listen_until_lost(&pool, &heard).await {
            tracing::debug!(%error, "not listening for changes; polling goes on");
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn listen_until_lost(pool: &sqlx::PgPool, heard: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    while listener.try_recv().await?.is_some() {
        heard.notify_one();
    }
    Ok(())
}
