//! The store: the only crate that knows SQL.
//!
//! Here live the statements (each a `const`, written once for SQLite and PostgreSQL), the writer and the
//! migrations. What may not live here: rules (they are in `core`; a guard in a WHERE repeats one on purpose,
//! because only the database can decide a race), HTTP, a clock. No trait stands before it: tests use both
//! real databases.

mod connections;
mod db;
mod devices;
mod dialect;
mod error;
mod follow;
mod leases;
#[cfg(test)]
mod login_plan;
mod maintenance;
mod migrate;
mod new_session;
mod postgres_rotator;
mod rotate;
#[cfg(test)]
mod rotate_plan;
mod session_rows;
mod sqlite_writer;
mod status_indexes;
mod user_reads;
mod writer;

pub mod accounts;
pub mod addresses;
pub mod api_tokens;
pub mod audit;
pub mod audit_chain;
pub mod audit_keeping;
pub mod bots;
pub mod claims;
pub mod clients;
pub mod deletions;
pub mod factors;
pub mod identities;
pub mod intruder;
pub mod invites;
pub mod keys;
pub mod limits;
pub mod links;
pub mod login_challenges;
pub mod mail_requests;
pub mod members;
pub mod oauth_flows;
pub mod outbox;
pub mod own_data;
pub mod passkeys;
pub mod pending;
pub mod recovery_codes;
pub mod revocations;
pub mod runtime_settings;
pub mod sessions;
pub mod set_up;
pub mod subscriptions;
pub mod token_uses;
pub mod totp;
pub mod trusted_devices;
pub mod users;
pub mod ways_in;
pub mod webhooks;

use futures_util::future::BoxFuture;

pub use db::{DatabaseOptions, Tx};
pub use error::StoreError;
pub use follow::Follower;
pub use rotate::Rotate;
use user_reads::{By, UserReads};

/// One database. Cheap to share behind an `Arc`; any number of nodes may use the same.
pub struct Store {
    db: db::Db,
    writer: writer::Writer,
    user_reads: UserReads,
    session_users: UserReads,
    nudged: std::sync::Arc<tokio::sync::Notify>,
}

impl Store {
    /// Opens the database and starts its writer. Applies no migrations, see [`Self::migrate`].
    pub async fn open(options: &DatabaseOptions) -> Result<Self, StoreError> {
        let db = db::Db::open(options).await?;
        let writer = writer::Writer::start(&db).await?;
        let user_reads = UserReads::start(&db, By::User);
        let session_users = UserReads::start(&db, By::Session);
        Ok(Self { db, writer, user_reads, session_users, nudged: std::sync::Arc::default() })
    }

    /// Runs `work` in a transaction. `Ok` commits, also for a refusal that must persist; `Err` rolls back.
    /// `work` may run more than once and must have no effect but SQL. Nothing is answered before the commit.
    ///
    /// Made to be called with `|tx| Box::pin(async move { … })`.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync + 'static,
    {
        self.writer.write(work).await
    }

    /// Like [`Self::write`] for one single statement, which undoes itself if it fails: one round trip on
    /// PostgreSQL, no savepoint on SQLite.
    pub async fn write_one<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync + 'static,
    {
        self.writer.write_one(work).await
    }
}
