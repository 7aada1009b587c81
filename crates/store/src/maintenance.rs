//! What operators ask of the database itself.

use crate::Store;
use crate::db::{Db, on};
use crate::error::StoreError;
use crate::migrate::{APPLIED, pending};

const PING: &str = "SELECT CAST(1 AS BIGINT)";
const BACKUP: &str = "VACUUM INTO $1";

impl Store {
    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let _: i64 = on!(&self.db, db => sqlx::query_scalar(PING).fetch_one(db))?;
        Ok(())
    }

    /// `sqlite` or `postgres`.
    pub const fn engine(&self) -> &'static str {
        self.db.engine()
    }

    /// Writes a consistent copy of an SQLite database to `path` while it is being used; `false`: this is
    /// PostgreSQL, which has its own tools for that.
    pub async fn backup(&self, path: &str) -> Result<bool, StoreError> {
        let Db::Sqlite { options, .. } = &self.db else { return Ok(false) };
        let mut connection = sqlx::ConnectOptions::connect(options).await?;
        sqlx::query(BACKUP).bind(path).execute(&mut connection).await?;
        Ok(true)
    }

    /// Applies missing migrations (or only tells, with `dry_run`) and returns their names.
    pub async fn migrate(&self, dry_run: bool) -> Result<Vec<&'static str>, StoreError> {
        self.db.migrate(dry_run).await
    }

    /// Names of the migrations that are missing, without waiting for whoever applies them just now.
    pub async fn pending_migrations(&self) -> Result<Vec<&'static str>, StoreError> {
        let applied: Vec<i64> = on!(&self.db, db => sqlx::query_scalar(APPLIED).fetch_all(db))?;
        Ok(pending(&applied)?.iter().map(|migration| migration.name).collect())
    }
}
