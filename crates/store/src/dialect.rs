//! What must differ between the databases, side by side.

use crate::db::Tx;

/// Makes the appends to the revocation list commit in the order of their numbers, so that a cursor never
/// passes over one that is still under way. The one writer of SQLite needs no lock.
pub(crate) const APPEND_LOCK: &str = "SELECT pg_advisory_xact_lock(8400840002)";
/// Wakes the other nodes.
pub(crate) const NOTIFY: &str = "SELECT pg_notify('portcullis', '')";
/// The channel of [`NOTIFY`].
pub(crate) const CHANNEL: &str = "portcullis";
/// Lets one node at a time make or rotate keys.
pub(crate) const KEY_LOCK: &str = "SELECT pg_advisory_xact_lock(8400840003)";

/// Lets who administers change one after the other.
pub(crate) const ADMIN_LOCK: &str = "SELECT pg_advisory_xact_lock(8400840009)";
/// Lets runtime settings change one after the other.
pub(crate) const SETTINGS_LOCK: &str = "SELECT pg_advisory_xact_lock(8400840008)";

/// What only PostgreSQL must be told: a lock until the end of the transaction, a notification at its commit. On
/// SQLite the transaction itself is the lock, and the commit is noticed by itself.
pub(crate) async fn control_postgres(tx: &mut Tx, statement: &'static str) -> Result<(), sqlx::Error> {
    if let Tx::Postgres(connection) = tx {
        sqlx::query(statement).execute(&mut **connection).await?;
    }
    Ok(())
}

/// The database's clock in microseconds. SQLite runs in our process and has no other clock than ours.
pub(crate) const CLOCK: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
