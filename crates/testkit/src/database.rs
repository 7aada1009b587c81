//! A database of its own for one test, on either engine, thrown away with the value.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use portcullis_core::time::{Clock as _, Timestamp};
use portcullis_store::{DatabaseOptions, Store};
use tempfile::TempDir;

use crate::clock::ManualClock;
use crate::postgres::{self, TestDatabase};
use crate::random::SeededRandom;

/// Connections of one [`Store`]: enough to race, few enough for many tests on one cluster.
const CONNECTIONS: u32 = 6;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary directory.
    Sqlite,
    /// A database in the cluster of this test run.
    Postgres,
}

/// An empty database: no tables yet.
#[derive(Debug)]
pub struct Database {
    /// For the product's `database.url`.
    pub url: String,
    place: Place,
}

/// Where it is; gone when this is dropped.
#[derive(Debug)]
enum Place {
    Sqlite {
        dir: TempDir,
    },
    Postgres {
        _database: TestDatabase,
    },
    /// In a cluster that the test looks after itself.
    Elsewhere,
}

impl Database {
    /// A new one.
    ///
    /// # Panics
    /// If there is no PostgreSQL to test on, or no temporary directory can be made.
    pub fn fresh(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let url = format!("sqlite://{}", dir.path().join("portcullis.db").display());
                Self { url, place: Place::Sqlite { dir } }
            }
            Backend::Postgres => {
                let database = postgres::fresh_database();
                Self { url: database.url.clone(), place: Place::Postgres { _database: database } }
            }
        }
    }

    /// One in a PostgreSQL that the test looks after itself, see [`postgres::OwnCluster`].
    pub const fn elsewhere(url: String) -> Self {
        Self { url, place: Place::Elsewhere }
    }

    /// Which engine it is on.
    pub const fn backend(&self) -> Backend {
        match self.place {
            Place::Sqlite { .. } => Backend::Sqlite,
            Place::Postgres { .. } | Place::Elsewhere => Backend::Postgres,
        }
    }

    /// Path for one more file beside an SQLite database; `None` for PostgreSQL.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        match &self.place {
            Place::Sqlite { dir } => Some(dir.path().join(name)),
            Place::Postgres { .. } | Place::Elsewhere => None,
        }
    }

    /// How a node connects to it.
    pub fn options(&self) -> DatabaseOptions {
        DatabaseOptions { url: self.url.clone(), max_connections: Some(CONNECTIONS) }
    }

    /// Changes something in it as somebody with the database in hand would, past every server.
    ///
    /// # Panics
    /// If the database refuses it, or there is no Python (for SQLite) or `psql` to do it with.
    pub fn tamper(&self, sql: &str) {
        match self.backend() {
            Backend::Postgres => {
                postgres::query(&self.url, sql).expect("PostgreSQL takes it");
            }
            Backend::Sqlite => tamper_with_file(Path::new(&self.url["sqlite://".len()..]), sql),
        }
    }

    /// One more node on it, without migrating.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn open(&self) -> Store {
        Store::open(&self.options()).await.expect("the test's database opens")
    }
}

/// The same for an SQLite file.
///
/// # Panics
/// If SQLite refuses it, or there is no Python to do it with.
pub fn tamper_with_file(path: &Path, sql: &str) {
    const PROGRAM: &str = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); c.executescript(sys.argv[2]); c.commit()";
    let done =
        Command::new("python3").args(["-c", PROGRAM]).arg(path).arg(sql).output().expect("python3 runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A store on a database of its own, migrated, with the clock and randomness of its test.
pub struct TestStore {
    /// The node under test.
    pub store: Arc<Store>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its source of randomness.
    pub random: Arc<SeededRandom>,
    /// Its database. Dropped last: the store goes first.
    pub database: Database,
}

impl TestStore {
    /// A new one.
    ///
    /// # Panics
    /// If there is no database to test on, or the migrations fail.
    pub async fn new(backend: Backend) -> Self {
        let database = Database::fresh(backend);
        let store = database.open().await;
        store.migrate(false).await.expect("migrations apply");
        Self {
            store: Arc::new(store),
            clock: Arc::new(ManualClock::new()),
            random: Arc::new(SeededRandom::default()),
            database,
        }
    }

    /// Another database of the same engine, with nothing in it.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub async fn another_database(&self) -> Self {
        Self::new(self.database.backend()).await
    }

    /// One more node on the same database.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn another(&self) -> Arc<Store> {
        Arc::new(self.database.open().await)
    }

    /// The time on the clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
