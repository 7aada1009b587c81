//! What can go wrong with the store. All of it is ours: 5xx, never a 401.

use thiserror::Error;

/// A fault of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, or did not answer in time. A try later may succeed. Whether a write
    /// under way took effect is not known.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A stored value is none that we ever write.
    #[error("the value in {table}.{column} cannot be read (row {id})")]
    Corrupt {
        /// Table of the value.
        table: &'static str,
        /// Column of the value.
        column: &'static str,
        /// Which row.
        id: String,
    },
    /// A statement failed for another reason.
    #[error("the database refused a statement: {0}")]
    Statement(String),
    /// PostgreSQL: serialization failure, deadlock or a lost race. The writer runs the work again.
    #[error("two writes kept each other from going on")]
    RunAgain,
    /// A closure undoes what it did, because a guard refused. Never leaves the store by itself.
    #[error("refused")]
    Refused,
    /// The schema is newer than this binary, or was changed by hand.
    #[error("{0}")]
    Schema(String),
}

impl StoreError {
    /// The same fault for one more caller of the same group.
    pub(crate) fn repeated(&self) -> Self {
        match self {
            Self::Corrupt { table, column, id } => Self::Corrupt { table, column, id: id.clone() },
            Self::Statement(text) => Self::Statement(text.clone()),
            Self::Schema(text) => Self::Schema(text.clone()),
            Self::Unavailable(text) => Self::Unavailable(text.clone()),
            Self::RunAgain => Self::RunAgain,
            Self::Refused => Self::Refused,
        }
    }

    pub(crate) fn timed_out() -> Self {
        Self::Unavailable("no answer in time".into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Protocol(_) => {
                Self::Unavailable(error.to_string())
            }
            E::Database(database) if matches!(database.code().as_deref(), Some("40001" | "40P01")) => {
                Self::RunAgain
            }
            E::Database(database) if is_outage(database.code().as_deref()) => {
                Self::Unavailable(database.message().to_owned())
            }
            _ => Self::Statement(error.to_string()),
        }
    }
}

/// Of PostgreSQL the SQLSTATE classes 08 (connection), 53 (resources), 57 (operator), 58 (system) and read-only
/// (a standby), lock not available and wrong password; of SQLite the primary codes BUSY 5, LOCKED 6, READONLY 8,
/// IOERR 10, FULL 13 and CANTOPEN 14.
fn is_outage(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 {
        return ["08", "53", "57", "58", "25006", "55P03", "28P01"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

/// Somebody else's row came in between a look and a write: run again, and look again.
pub(crate) fn lost_a_race(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database)
            if database.is_unique_violation() || database.is_foreign_key_violation() =>
        {
            StoreError::RunAgain
        }
        _ => error.into(),
    }
}

/// SQLite: another process holds the write lock.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database) if database
        .code()
        .and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| code & 0xff == 5))
}

#[cfg(test)]
mod tests {
    use super::is_outage;

    #[test]
    fn outages() {
        for code in [
            "08006", "57P01", "57P03", "57014", "53300", "58030", "25006", "55P03", "28P01", "5", "261", "8",
            "10", "13", "14", "3338",
        ] {
            assert!(is_outage(Some(code)), "{code}");
        }
        for code in ["23505", "25001", "28000", "55006", "42P01", "40001", "2067", "1", "19", ""] {
            assert!(!is_outage(Some(code)), "{code}");
        }
        assert!(!is_outage(None));
    }
}
