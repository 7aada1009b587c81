//! Migrations: two folders with equal numbers and names, applied in one transaction under a lock, so that many
//! nodes may start at once. Expand first, contract later: a node of the version before must go on working.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use crate::db::{Db, connect_sqlite};
use crate::error::{StoreError, is_busy};

/// One step of the schema.
pub(crate) struct Migration {
    version: i64,
    pub(crate) name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("migrations/postgres/", $name, ".sql")),
        }),+]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "0001_first",
    2 "0002_mail",
    3 "0003_audit_chain",
    4 "0004_webhooks",
    5 "0005_accounts",
    6 "0006_invites",
    7 "0007_pending",
    8 "0008_settings",
    9 "0009_deletion",
    10 "0010_factors",
    11 "0011_passkeys",
    13 "0013_notice",
];

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)";
pub(crate) const APPLIED: &str = "SELECT version FROM schema_migrations ORDER BY version";
const RECORD: &str = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)";
/// Any number that nobody else uses: the lock that nodes which start together queue for.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8400840001)";

/// What is still to be applied, by name.
pub(crate) fn pending(applied: &[i64]) -> Result<Vec<&'static Migration>, StoreError> {
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some(unknown) = applied.iter().find(|version| **version > newest) {
        return Err(StoreError::Schema(format!(
            "The database has schema version {unknown}, this binary knows {newest}: start a newer portcullis."
        )));
    }
    Ok(MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)).collect())
}

impl Db {
    /// Applies what is missing (or, with `dry_run`, only tells) and returns the names of it.
    pub(crate) async fn migrate(&self, dry_run: bool) -> Result<Vec<&'static str>, StoreError> {
        match self {
            Self::Sqlite { options, .. } => sqlite(&mut connect_sqlite(options).await?, dry_run).await,
            Self::Postgres { options, .. } => postgres(&mut options.connect().await?, dry_run).await,
        }
    }
}

async fn sqlite(connection: &mut SqliteConnection, dry_run: bool) -> Result<Vec<&'static str>, StoreError> {
    // Another process that starts or writes at the same moment holds the lock for moments only.
    let mut tries = 0;
    let mut transaction = loop {
        match connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => break transaction,
            Err(error) if is_busy(&error) && tries < 30 => tries += 1,
            Err(error) => return Err(error.into()),
        }
    };
    sqlx::query(CREATE_TABLE).execute(&mut *transaction).await?;
    let applied: Vec<i64> = sqlx::query_scalar(APPLIED).fetch_all(&mut *transaction).await?;
    let pending = pending(&applied)?;
    if dry_run {
        transaction.rollback().await?;
    } else {
        for migration in &pending {
            sqlx::raw_sql(migration.sqlite).execute(&mut *transaction).await?;
            sqlx::query(RECORD)
                .bind(migration.version)
                .bind(migration.name)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
    }
    Ok(pending.iter().map(|migration| migration.name).collect())
}

async fn postgres(connection: &mut PgConnection, dry_run: bool) -> Result<Vec<&'static str>, StoreError> {
    let mut transaction = connection.begin().await?;
    sqlx::query(LOCK).execute(&mut *transaction).await?;
    sqlx::query(CREATE_TABLE).execute(&mut *transaction).await?;
    let applied: Vec<i64> = sqlx::query_scalar(APPLIED).fetch_all(&mut *transaction).await?;
    let pending = pending(&applied)?;
    if dry_run {
        transaction.rollback().await?;
    } else {
        for migration in &pending {
            sqlx::raw_sql(migration.postgres).execute(&mut *transaction).await?;
            sqlx::query(RECORD)
                .bind(migration.version)
                .bind(migration.name)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
    }
    Ok(pending.iter().map(|migration| migration.name).collect())
}
